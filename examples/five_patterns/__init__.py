"""Sign-up, log-in, CSV upload, background mail and prediction, on Foretell."""
