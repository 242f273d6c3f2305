"""Learning agents: PPO training, checkpoints, cloning start and deterministic players."""
