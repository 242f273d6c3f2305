"""`run.py models`: export and list."""

from pathlib import Path

import pytest
import torch

from hoigym.agents.policy import load_policy
from hoigym.commands.app import main
from hoigym.core.run_folder import env_layer

ROOT = Path(__file__).parent.parent
WALK = ROOT / "models" / "walk_getup"


def test_an_exported_policy_is_the_one_it_came_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["models", "export", str(WALK), str(tmp_path / "own")]) == 0
    assert "1.4 MB" in capsys.readouterr().out
    exported, source = load_policy(tmp_path / "own"), load_policy(WALK)
    assert exported.task == "locomotion"
    assert exported.actor.keys() == source.actor.keys()
    for name, value in source.actor.items():
        assert torch.equal(exported.actor[name], value)
    assert torch.equal(exported.obs_mean, source.obs_mean)
    assert env_layer(tmp_path / "own").values["env"]["scene"] == env_layer(WALK).values["env"]["scene"]


def test_nothing_is_replaced_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "policy.json").write_text("mine")
    assert main(["models", "export", str(WALK), str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "policy.json").read_text() == "mine"
    assert main(["models", "export", str(WALK), str(tmp_path), "--overwrite"]) == 0


def test_a_run_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["models", "export", str(tmp_path / "none"), str(tmp_path / "own")]) == 2
    assert "no run, checkpoint or policy" in capsys.readouterr().err
    assert not (tmp_path / "own").exists()


def test_the_shipped_policies_are_listed(capsys: pytest.CaptureFixture[str]):
    assert main(["models", "list"]) == 0
    listed = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert ["run", "locomotion"] in listed
    assert ["walk_getup", "locomotion"] in listed
