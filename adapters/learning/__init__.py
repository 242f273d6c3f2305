"""The training loop that the video conditioners share."""
