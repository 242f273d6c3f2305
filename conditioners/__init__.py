"""What tells a policy which skill is wanted."""
