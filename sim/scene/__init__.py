"""What stands in a world: humanoid, objects, ground; compiled into one MuJoCo model."""
