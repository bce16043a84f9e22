"""Child processes that may open what nobody trusts: uploads and model files."""
