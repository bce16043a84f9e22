"""The static gate: what a pickle would do, read without doing any of it."""
