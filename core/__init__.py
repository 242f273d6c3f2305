"""Core: errors, files, configuration, checkpoints, run folders, processes; knows nothing of motion or physics."""
