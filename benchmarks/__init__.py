"""Benchmarks: ratios against the raw engine, and what parts of the method are worth, each in one run."""
