"""Child processes: what they may do, how they end, what the parent hears."""
