"""`make versus`: the plain patterns and Foretell, asked the same things."""
