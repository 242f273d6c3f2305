"""Values that no environment can have are told where they are given."""

from collections.abc import Callable

import pytest
import torch

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig, EpisodeConfig, StartConfig
from hoigym.envs.reward import RewardWeights
from hoigym.sim.engines import WarpConfig, torch_device
from hoigym.sim.scene.config import BallConfig, SceneConfig

IMPOSSIBLE = {
    "num_envs 0: expected 1 or more": lambda: EnvConfig(num_envs=0),
    "threads -1: expected 0 or more": lambda: EnvConfig(threads=-1),
    "start.noise 1.5: expected 0 to 1": lambda: StartConfig(noise=1.5),
    "start.switch -0.5: expected 0 to 1": lambda: StartConfig(switch=-0.5),
    "start.adaptive 2: expected 0 to 1": lambda: StartConfig(adaptive=2.0),
    "episode.length 0: expected 1 or more": lambda: EpisodeConfig(length=0),
    "episode.max_root_error 0: expected a distance": lambda: EpisodeConfig(max_root_error=0.0),
    "warp.njmax 0: expected 1 or more": lambda: WarpConfig(njmax=0),
    "scene.control_hz 0: expected 1 or more": lambda: SceneConfig(control_hz=0),
    "scene.solver_iterations 0: expected 1 or more": lambda: SceneConfig(solver_iterations=0),
    "a ball without radius or density": lambda: BallConfig(radius=-0.1),
    "reward.weights.op -1: expected 0 or more": lambda: RewardWeights(op=-1.0),
}


@pytest.mark.parametrize("message", IMPOSSIBLE)
def test_impossible_values_are_refused(message: str) -> None:
    make: Callable[[], object] = IMPOSSIBLE[message]
    with pytest.raises((UserError, ValueError), match=message):
        make()


def test_a_gpu_is_named_by_its_number_and_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"is_available": True, "device_count": 2, "current_device": 1}.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    named = {name: torch_device(WarpConfig(device=name)) for name in ("cuda", "cuda:0", "cuda:1")}
    assert named == {"cuda": torch.device("cuda:1"), "cuda:0": torch.device("cuda:0"), "cuda:1": torch.device("cuda:1")}
    with pytest.raises(UserError, match="warp.device: 'cuda:2' is not usable here"):
        torch_device(WarpConfig(device="cuda:2"))
