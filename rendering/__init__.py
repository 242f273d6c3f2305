"""Pictures of humanoids and objects without a display."""
