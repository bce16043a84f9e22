"""Built-in blobstores."""
