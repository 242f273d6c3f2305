"""A control step never makes the host wait for the GPU: shown on the CPU, and on a GPU where there is one."""

from collections.abc import Callable

import pytest
import torch

from hoigym.motions.library import MotionLibrary
from tests.envs.busy import ROWS, as_on_a_gpu, busy_env
from tests.envs.no_waiting import Waits, no_waiting

pytest.importorskip("hoigym.sim.mujoco_warp_engine", reason="needs mujoco-warp and warp-lang", exc_type=ImportError)


@pytest.mark.parametrize(
    "waits",
    [
        lambda values: values.nonzero(),
        lambda values: float(values[0]),
        lambda values: bool(values.any()),
        lambda values: values.tolist(),
        lambda values: values[values > 1],
        lambda values: values.unique(),
        lambda values: values[[0, 1]],
        lambda values: torch.tensor([1.0]),
        lambda values: values + torch.zeros(4),
        lambda values: torch.normal(values, values),
    ],
)
def test_waiting_is_found(waits: Callable[[torch.Tensor], object]) -> None:
    values = torch.arange(4.0)
    with no_waiting():
        torch.where(values > 1, values, 0.0)[values.long()]
        with pytest.raises(Waits):
            waits(values)


@pytest.mark.slow
def test_a_step_as_a_gpu_takes_it_waits_for_nothing(
    library: MotionLibrary, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = as_on_a_gpu(monkeypatch, library, encoder)
    env.reset(seed=0)
    ended = torch.zeros(ROWS, dtype=torch.long)
    with no_waiting():
        for _ in range(40):
            done = env.step(env.reference_actions())[4]["_final_obs"]
            env.throw(done)
            ended += done
    assert (ended >= 2).all()
    assert torch.isfinite(env.sim.state.root_pos).all()


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_step_on_a_gpu_waits_for_nothing(library: MotionLibrary, encoder: str) -> None:
    env = busy_env(library, encoder, "cuda")
    env.reset(seed=0)
    for _ in range(3):
        env.step(env.reference_actions())
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            env.step(env.reference_actions())
    finally:
        torch.cuda.set_sync_debug_mode("default")
