"""The profile of a control step finds every part that it lists."""

from hoigym.benchmarks.step_profile import PARTS, profile
from hoigym.envs.make import make_env, task_config


def test_every_part_of_a_step_is_seen() -> None:
    config = task_config("ballplay", num_envs=2, threads=1, scene={"hands": "locked"}, episode={"length": 4})
    parts = profile(make_env(config), steps=4)
    assert parts.keys() == PARTS.keys()
    of_history = ("history", "past of rows set anew")
    others = {part: operations for part, (operations, _) in parts.items() if part not in of_history}
    assert all(operations > 0 for operations in others.values()), others
    assert all(parts[part][0] == 0 for part in of_history)
    assert parts["physics"][1] > 0.0
