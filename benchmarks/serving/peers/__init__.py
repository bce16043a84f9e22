"""What the contenders run, each with the libraries of its own environment."""
