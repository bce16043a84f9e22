"""Named tables of immutable versions: import, rows, profile, download."""
