"""Skills learned from videos: inverse and forward skill dynamics (UniSkill, arXiv 2505.08787)."""
