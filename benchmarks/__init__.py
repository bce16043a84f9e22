"""Benchmarks: ratios to what people use today, taken in one run."""
