"""How good a policy is: metrics of skills, trials, tables."""
