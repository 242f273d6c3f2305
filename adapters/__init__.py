"""Adapters: whole systems of their own that bring a conditioner along (UniSkill, UVA), and PushT to measure one."""
