"""Database routes of Foretell beside its peers: `make bench-crud`."""
