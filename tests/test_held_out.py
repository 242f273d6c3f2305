"""Success measured during training: it is logged, decides the best checkpoint, and changes nothing."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from hoigym.agents.run_state import best_checkpoint
from hoigym.agents.training import train
from hoigym.core.checkpoint import load_latest
from hoigym.envs.make import make_env
from hoigym.evaluation.held_out import HeldOut
from tests.test_resume import AGENT, ENV

Measure = Callable[[Any], Mapping[str, float]]


def _train(run_dir: Path, measure: Measure | None) -> None:
    env = make_env(ENV)
    try:
        train(run_dir, env, dataclasses.replace(AGENT, max_epochs=2), task="ballplay", measure=measure)
    finally:
        env.close()


def test_the_best_checkpoint_is_that_of_the_highest_success(tmp_path: Path) -> None:
    successes = iter((0.7, 0.2))
    _train(tmp_path / "run", lambda act: {"success/mean": next(successes)})
    best = best_checkpoint(tmp_path / "run")
    assert best is not None
    assert best.name == "epoch_000001"
    assert load_latest(tmp_path / "run")[0].state["measured"] == {"success/mean": 0.2}


@pytest.mark.slow
def test_measuring_does_not_change_the_run(tmp_path: Path) -> None:
    _train(tmp_path / "alone", None)
    with HeldOut(ENV, 4, 0.5) as held_out:
        _train(tmp_path / "measured", held_out.measure)
    alone, measured = (load_latest(tmp_path / name)[0] for name in ("alone", "measured"))
    assert "success/mean" in measured.state["measured"]
    assert all(torch.equal(value, measured.tensors[name]) for name, value in alone.tensors.items())
