"""Users, sign-in, tokens, API keys, the audit log."""
