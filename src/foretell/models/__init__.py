"""Named predictors of immutable versions: gate, signature, parity, aliases."""
