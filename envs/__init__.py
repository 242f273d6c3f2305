"""Environments of human-object interaction; importing this package makes gymnasium know them."""

import gymnasium

for _task, _name in {"ballplay": "BallPlay", "locomotion": "Locomotion"}.items():
    gymnasium.register(id=f"hoigym/{_name}-v0", vector_entry_point="hoigym.envs.make:make_task", kwargs={"task": _task})
