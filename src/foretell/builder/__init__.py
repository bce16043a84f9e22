"""Writes projects and parts of them: works on files and knows no server."""
