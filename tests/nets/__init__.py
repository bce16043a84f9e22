"""Nets of PyTorch and Keras: the gates everywhere, the libraries where they are."""
