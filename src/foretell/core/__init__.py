"""What every area stands on: database, clock, ids, principal, pages, logs, blobs."""
