"""A step replayed from recordings is the step as written: shown by recordings on the CPU, on a GPU by CUDA graphs."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from hoigym.adapters.uva.conditioner import PlannedConditioner
from hoigym.conditioners.base import SkillConditioner
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.library import MotionLibrary
from hoigym.sim.cuda_graphs import Captured, owned
from hoigym.sim.engines import WarpConfig
from tests.envs.busy import as_on_a_gpu, busy_env
from tests.envs.recorded import Tapes

pytest.importorskip("hoigym.sim.mujoco_warp_engine", reason="needs mujoco-warp and warp-lang", exc_type=ImportError)
STEPS = 40


class Counter:
    """Adds what it is given to what it has, in place or, wrongly, not."""

    def __init__(self, in_place: bool) -> None:
        self.total, self._in_place = torch.zeros(1), in_place

    def add(self, values: Tensor) -> Tensor:
        if self._in_place:
            self.total += values
        else:
            self.total = self.total + values
        return self.total * 2.0


@pytest.mark.parametrize(("in_place", "expected"), [(True, [2.0, 4.0, 6.0, 8.0]), (False, [2.0, 4.0, 4.0, 4.0])])
def test_a_recording_knows_memory_and_nothing_else(in_place: bool, expected: list[float]) -> None:
    tapes = Tapes()
    part = Captured(Counter(in_place).add, tapes)
    one = torch.ones(1)
    assert [float(part(one)) for _ in range(4)] == expected
    assert (tapes.made, tapes.replays) == (1, 2)


def test_other_tensors_are_refused_until_it_is_recorded_anew() -> None:
    part = Captured(Counter(True).add, Tapes())
    one, other = torch.ones(1), torch.full((1,), 5.0)
    assert [float(part(one)) for _ in range(3)] == [2.0, 4.0, 6.0]
    with pytest.raises(RuntimeError, match="given other tensors"):
        part(other)
    part.forget()
    assert [float(part(other)) for _ in range(3)] == [16.0, 26.0, 36.0]


def test_without_a_recorder_it_runs_as_written() -> None:
    part = Captured(Counter(False).add, None)
    assert [float(part(torch.ones(1))) for _ in range(3)] == [2.0, 4.0, 6.0]


def test_what_is_owned_is_not_overwritten() -> None:
    values = torch.zeros(2)
    mine = owned([values, {"a": values}])
    values += 1.0
    assert mine[0].tolist() == mine[1]["a"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("device", "graphs", "on_host", "recorded"),
    [
        ("cuda", True, False, True),
        ("cpu", True, False, False),
        ("cuda", False, False, False),
        ("cuda", True, True, False),
    ],
)
def test_a_step_is_recorded_on_a_gpu_alone(device: str, graphs: bool, on_host: bool, recorded: bool) -> None:
    """Not where it is switched off, and not where the condition passes through the host."""
    env: Any = SimpleNamespace(
        device=torch.device(device),
        config=SimpleNamespace(warp=WarpConfig(graphs=graphs)),
        _conditioner=SimpleNamespace(on_host=on_host),
        _generator=torch.Generator(),
    )
    assert (HOIVectorEnv._recorder(env) is not None) is recorded
    assert (SkillConditioner.on_host, PlannedConditioner.on_host) == (False, True)


def rollout(env: HOIVectorEnv) -> list[Any]:
    """What STEPS steps give, with boxes thrown, the state they end in and the frames kept of it."""
    generator = torch.Generator(env.device).manual_seed(3)
    given: list[Any] = [env.reset(seed=0)[0]]
    for _ in range(STEPS):
        noise = torch.randn(env.num_envs, 156, generator=generator, device=env.device)
        step = env.step(env.reference_actions() + 0.05 * noise)
        given.append(step)
        env.throw(step[4]["_final_obs"])
    assert env._last_frames is not None
    return [*given, env.state_dict(), env._last_frames._ring]


@pytest.mark.slow
def test_a_replayed_step_is_the_step_as_written(
    library: MotionLibrary, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = rollout(as_on_a_gpu(monkeypatch, library, encoder))
    tapes = Tapes()
    monkeypatch.setattr(HOIVectorEnv, "_recorder", lambda env: tapes)
    torch.testing.assert_close(rollout(as_on_a_gpu(monkeypatch, library, encoder)), expected, rtol=0, atol=0)
    # Three parts a step and the draw of every sixteenth; the first call of each as written, the second recorded.
    assert tapes.made == 4
    assert tapes.replays == 3 * (STEPS - 2) + 1


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_step_in_cuda_graphs_is_the_step_as_written(library: MotionLibrary, encoder: str) -> None:
    plain = rollout(busy_env(library, encoder, "cuda", graphs=False))
    torch.testing.assert_close(rollout(busy_env(library, encoder, "cuda")), plain, rtol=1e-3, atol=1e-3)
