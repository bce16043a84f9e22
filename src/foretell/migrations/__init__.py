"""Alembic migrations of Foretell's own database, shipped in the wheel."""
