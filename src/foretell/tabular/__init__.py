"""Readers and writers of tables: runs in children and workers, knows no area."""
