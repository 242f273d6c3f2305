"""`run.py eval` from the outside: a tiny policy that acts at random, and wrong input."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml
from gymnasium.spaces import flatdim

from hoigym.commands.app import main
from hoigym.core.checkpoint import save_checkpoint
from hoigym.core.config import to_plain
from hoigym.envs.make import make_env, task_config

QUICK = ["--trials=2", "--horizon=0.1", "--env.threads=1", "--skill=[dribble_forward]"]


def write_policy(folder: Path, task: str = "ballplay") -> Path:
    """An exported policy of one hidden unit and the configuration of its run."""
    config = task_config(task, num_envs=2, threads=1, scene={"hands": "locked"})
    env = make_env(config)
    obs, actions = flatdim(env.single_observation_space), flatdim(env.single_action_space)
    env.close()
    torch.manual_seed(0)
    tensors = {
        "actor.0.weight": 0.01 * torch.randn(1, obs),
        "actor.0.bias": torch.zeros(1),
        "actor.2.weight": 0.1 * torch.randn(actions, 1),
        "actor.2.bias": torch.zeros(actions),
        "obs_mean": torch.zeros(obs),
        "obs_var": torch.ones(obs),
    }
    facts = {
        "format": "hoigym-policy",
        "format_version": 1,
        "task": task,
        "obs_size": obs,
        "action_size": actions,
        "hidden_sizes": [1],
        "card": {},
    }
    folder.mkdir()
    (folder / "policy.safetensors").write_bytes(safetensors.torch.save(tensors))
    (folder / "policy.json").write_text(json.dumps(facts))
    (folder / "config.yaml").write_text(yaml.safe_dump({"env": to_plain(config)}))
    return folder


def write_run(policy: Path, folder: Path) -> Path:
    """A run folder with one checkpoint that holds the same policy; the checkpoint."""
    facts = json.loads((policy / "policy.json").read_text())
    tensors = safetensors.torch.load((policy / "policy.safetensors").read_bytes())
    stored = {f"model.a2c_network.{name}": value for name, value in tensors.items() if name.startswith("actor.")}
    stored |= {f"model.running_mean_std.running_{name}": tensors[f"obs_{name}"] for name in ("mean", "var")}
    checkpoint = save_checkpoint(folder, 1, stored, facts)
    (folder / "config.yaml").write_bytes((policy / "config.yaml").read_bytes())
    return checkpoint


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_policy(tmp_path_factory.mktemp("models") / "ball")


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that eval answers wrong arguments with."""
    assert main(["eval", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def test_the_same_seed_gives_the_same_files(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("a", "b"):
        assert main(["eval", f"--checkpoint={policy}", *QUICK, f"--output={tmp_path / name}"]) == 0
    printed = capsys.readouterr().out
    assert "| dribble forward | 2 |" in printed
    for file in ("report.json", "report.md", "report.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def numbers(cell: dict) -> dict[str, float]:
    names = ("reward", "accuracy", "body_error", "object_error", "contact_error")
    return {name: cell[name] for name in names if cell[name] is not None}


@pytest.mark.slow
def test_either_engine_gives_the_same_table(policy: Path, tmp_path: Path):
    pytest.importorskip("mujoco_warp")
    asked = ["--switch=[dribble_forward:pickup]", "--push=1", "--projectiles=auto", "--scatter"]
    asked += ["--walk=2", "--leg=0.1"]
    reports = []
    for engine in ("mujoco", "mujoco_warp"):
        options = [f"--engine={engine}", "--env.warp.device=cpu", f"--output={tmp_path / engine}"]
        assert main(["eval", f"--checkpoint={policy}", *QUICK, *asked, *options]) == 0
        reports.append(json.loads((tmp_path / engine / "report.json").read_text()))
    assert [report["engine"] for report in reports] == ["mujoco", "mujoco_warp"]
    kinds = ["SR", "pushed", "TSR", "walk", "walk", "walk", "eNSR", "projectiles", "scattered"]
    for first, second in zip(*(report["cells"] for report in reports), strict=True):
        assert first["kind"] == second["kind"] == kinds.pop(0)
        for name in ("skill", "trials", "successes", "lost"):
            assert first[name] == second[name], name
        assert numbers(first) == pytest.approx(numbers(second), rel=1e-3)
    assert kinds == []


def test_wrong_input_is_one_line(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    given = f"--checkpoint={policy}"
    assert "--checkpoint is missing" in refusal(capsys)
    assert "no run, checkpoint or policy at" in refusal(capsys, f"--checkpoint={tmp_path / 'none'}")
    assert "unknown skill 'dribble_forwrd'; the nearest is 'dribble_forward'" in refusal(
        capsys, given, "--skill=[dribble_forwrd]"
    )
    assert "unknown table 'balplay'; the nearest is 'ballplay'" in refusal(capsys, given, "--table=balplay")
    assert "unknown skill 'layp'" in refusal(capsys, given, "--switch=[layp:shot]")
    assert "expected FROM:TO" in refusal(capsys, given, "--switch=[layup]")
    assert "--published_row is one of a --table" in refusal(capsys, given, "--published_row=skillmimic")
    assert "unknown row of table 'ballplay' 'am'" in refusal(capsys, given, "--table=ballplay", "--published_row=am")
    assert "--table names its own skills" in refusal(capsys, given, "--table=ballplay", "--skill=[shot]")
    assert "metric: expected one of 'corrected', 'published'" in refusal(capsys, given, "--metric=best")
    assert "command line: trials 3: expected a multiple of the 2 seeds" in refusal(
        capsys, given, "--trials=3", "--seeds=[0, 1]"
    )
    (tmp_path / "file").touch()
    assert "file: cannot be created" in refusal(capsys, given, f"--output={tmp_path / 'file'}")


def test_a_policy_of_another_task(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert "table 'Locomotion' is for locomotion policies" in refusal(
        capsys, f"--checkpoint={policy}", "--table=locomotion"
    )
    other = tmp_path / "other.yaml"
    other.write_text("env: {task: locomotion}\n")
    assert "is a policy for ballplay, not for locomotion" in refusal(
        capsys, f"--checkpoint={policy}", f"--config={other}"
    )


def test_a_truncated_policy(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    broken = write_policy(tmp_path / "broken")
    weights = broken / "policy.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "the policy cannot be read" in refusal(capsys, f"--checkpoint={broken}")
    (broken / "policy.json").write_text('{"format": "hoigym-')
    assert "the policy cannot be read" in refusal(capsys, f"--checkpoint={broken}")


def test_a_truncated_checkpoint(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    checkpoint = write_run(policy, tmp_path / "run")
    given = [*QUICK, "--horizon=0.02"]
    assert main(["eval", f"--checkpoint={tmp_path / 'run'}", *given, f"--output={tmp_path / 'whole'}"]) == 0
    capsys.readouterr()
    tensors = checkpoint / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[: tensors.stat().st_size // 2])
    for path in (checkpoint, tmp_path / "run"):
        assert "tensors.safetensors is damaged (its checksum differs)" in refusal(capsys, f"--checkpoint={path}")
    (checkpoint / "state.json").write_text("{")
    assert "state.json is damaged" in refusal(capsys, f"--checkpoint={checkpoint}")
    assert "has no intact checkpoint" in refusal(capsys, f"--checkpoint={tmp_path / 'run'}")
