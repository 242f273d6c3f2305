"""UVA: one model of video and action, as a policy, as a planner and as a model of what happens next."""
