"""One prediction of Foretell beside those of other servers of models."""
