"""Built-in plug-ins: found by entry point, never imported by name."""
