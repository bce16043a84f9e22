"""Answers of models: one call (online) or a job over a dataset (batch)."""
