"""Row-level tables of the user's own: a declarative model becomes a CRUD API."""
