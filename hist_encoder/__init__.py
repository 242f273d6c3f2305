"""The history encoder: three numbers that sum up the last second."""
