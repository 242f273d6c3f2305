import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hoigym.agents.run_state import best_checkpoint, prune_checkpoints
from hoigym.core.checkpoint import (
    STATE_FILE,
    TENSORS_FILE,
    CheckpointError,
    list_checkpoints,
    load_checkpoint,
    load_latest,
    recover_checkpoints,
    save_checkpoint,
)

TENSORS = {
    "model.weight": torch.arange(6.0).view(2, 3),
    "random.torch": torch.arange(5, dtype=torch.uint8),
    "env.done": torch.tensor([True, False]),
    "model.count": torch.tensor(3.5, dtype=torch.float64),
}


def save(run_dir: Path, epoch: int, reward: float = 0.0) -> Path:
    tensors = {**TENSORS, "model.weight": TENSORS["model.weight"] + epoch}
    return save_checkpoint(run_dir, epoch, tensors, {"samples": 10 * epoch, "mean_reward": reward})


def test_round_trip_keeps_values_and_types(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 7, {**TENSORS, "view": TENSORS["model.weight"].T}, {"samples": 70})
    assert path == tmp_path / "checkpoints" / "epoch_000007"
    assert sorted(file.name for file in path.iterdir()) == [STATE_FILE, TENSORS_FILE]
    loaded = load_checkpoint(path)
    assert loaded.state["epoch"] == 7
    assert loaded.state["samples"] == 70
    for name, value in TENSORS.items():
        assert torch.equal(loaded.tensors[name], value)
        assert loaded.tensors[name].dtype == value.dtype
    assert torch.equal(loaded.tensors["view"], TENSORS["model.weight"].T)
    assert set(loaded.section("model")) == {"weight", "count"}


def cut_short(path: Path) -> None:
    data = (path / TENSORS_FILE).read_bytes()
    (path / TENSORS_FILE).write_bytes(data[: len(data) // 2])


def flip_a_bit(path: Path) -> None:
    data = bytearray((path / TENSORS_FILE).read_bytes())
    data[-1] ^= 1
    (path / TENSORS_FILE).write_bytes(bytes(data))


def cut_state(path: Path) -> None:
    (path / STATE_FILE).write_bytes((path / STATE_FILE).read_bytes()[:40])


def foreign_state(path: Path) -> None:
    (path / STATE_FILE).write_text('["something", "else"]')


def newer_format(path: Path) -> None:
    state = json.loads((path / STATE_FILE).read_text())
    (path / STATE_FILE).write_text(json.dumps({**state, "format_version": 99}))


def no_tensors(path: Path) -> None:
    (path / TENSORS_FILE).unlink()


def no_state(path: Path) -> None:
    (path / STATE_FILE).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_short, "checksum differs"),
        (flip_a_bit, "checksum differs"),
        (cut_state, "state.json is damaged"),
        (foreign_state, "not that of a checkpoint"),
        (newer_format, "checkpoint format 99; this program reads 1"),
        (no_tensors, "cannot read tensors.safetensors: No such file"),
        (no_state, "is not a checkpoint"),
    ],
)
def test_damage_is_one_line_and_the_one_before_is_used(tmp_path: Path, damage, message: str) -> None:
    good, bad = save(tmp_path, 1), save(tmp_path, 2)
    damage(bad)
    with pytest.raises(CheckpointError, match=message) as error:
        load_checkpoint(bad)
    assert "\n" not in str(error.value)
    checkpoint, complaints = load_latest(tmp_path)
    assert checkpoint.path == good
    assert len(complaints) == 1
    assert str(bad) in complaints[0]


def test_nothing_intact_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has no checkpoint"):
        load_latest(tmp_path)
    flip_a_bit(save(tmp_path, 1))
    with pytest.raises(CheckpointError, match="has no intact checkpoint"):
        load_latest(tmp_path)


def test_a_tensors_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    import hashlib

    path = save(tmp_path, 1)
    (path / TENSORS_FILE).write_bytes(b"not tensors")
    state = json.loads((path / STATE_FILE).read_text())
    state["tensors_sha256"] = hashlib.sha256(b"not tensors").hexdigest()
    (path / STATE_FILE).write_text(json.dumps(state))
    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        load_checkpoint(path)


def test_pruning_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    for epoch, reward in ((1, 0.1), (2, 0.9), (3, 0.3), (4, 0.4), (5, 0.5)):
        save(tmp_path, epoch, reward)
    prune_checkpoints(tmp_path, keep=2)
    kept = [path.name for path in list_checkpoints(tmp_path)]
    assert kept == ["epoch_000002", "epoch_000004", "epoch_000005"]
    best = best_checkpoint(tmp_path)
    assert best is not None
    assert best.name == "epoch_000002"


def test_of_equal_successes_the_measured_reward_decides(tmp_path: Path) -> None:
    """That of an epoch may be a discriminator's, highest while it is still easily taken in."""
    for epoch, reward, success, measured in ((1, 0.9, 0.0, 0.2), (2, 0.1, 0.0, 0.3), (3, 0.8, 0.0, 0.1)):
        state = {"mean_reward": reward, "measured": {"success/mean": success, "success/nr": measured}}
        save_checkpoint(tmp_path, epoch, TENSORS, state)
    best = best_checkpoint(tmp_path)
    assert best is not None
    assert best.name == "epoch_000002"


def test_reading_a_run_leaves_a_write_under_way_alone(tmp_path: Path) -> None:
    """A policy may be played while its run goes on."""
    save(tmp_path, 1)
    under_way = tmp_path / "checkpoints" / ".writing_epoch_000002_77"
    under_way.mkdir()
    assert load_latest(tmp_path)[0].state["epoch"] == 1
    assert under_way.is_dir()
    recover_checkpoints(tmp_path)
    assert not under_way.exists()


def test_saving_an_epoch_again_replaces_it(tmp_path: Path) -> None:
    save(tmp_path, 1, reward=0.1)
    path = save(tmp_path, 1, reward=0.2)
    assert load_checkpoint(path).state["mean_reward"] == 0.2
    assert [entry.name for entry in path.parent.iterdir()] == ["epoch_000001"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where it likes")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CheckpointError, match="cannot write checkpoint .*Permission denied"):
        save(tmp_path, 1)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    good = save(tmp_path, 1)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save(tmp_path, 2)
    assert [entry.name for entry in good.parent.iterdir()] == [good.name]


KILLED_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
import torch
from hoigym.core import checkpoint

stage, epoch, run_dir = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
def die():
    os.kill(os.getpid(), signal.SIGKILL)
calls = {"write": 0, "rename": 0}
real_write, real_rename = checkpoint._write, Path.rename
def write(path, data):
    calls["write"] += 1
    if calls["write"] == stage:
        path.write_bytes(data[: len(data) // 2])
        die()
    real_write(path, data)
def rename(self, target):
    calls["rename"] += 1
    if calls["rename"] == stage - 2:
        die()
    return real_rename(self, target)
checkpoint._write, Path.rename = write, rename
checkpoint.save_checkpoint(run_dir, epoch, {"model.weight": torch.full((1000,), 2.0)}, {"samples": 5})
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "epoch"),
    [(1, 6), (2, 6), (3, 6), (1, 5), (3, 5), (4, 5)],
    ids=["tensors", "state", "rename", "tensors again", "step aside again", "between the renames"],
)
def test_kill_at_any_moment_of_a_write_loses_nothing(tmp_path: Path, stage: int, epoch: int) -> None:
    """Epoch 6 is new, epoch 5 is written a second time; each is killed half-way."""
    save(tmp_path, 4)
    good = save(tmp_path, 5)
    arguments = [sys.executable, "-c", KILLED_WHILE_SAVING, str(stage), str(epoch), str(tmp_path)]
    process = subprocess.run(arguments, cwd=Path(__file__).parents[2], check=False, capture_output=True)
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    recover_checkpoints(tmp_path)
    checkpoint, complaints = load_latest(tmp_path)
    assert checkpoint.path == good
    assert complaints == []
    assert torch.equal(checkpoint.tensors["model.weight"], TENSORS["model.weight"] + 5)
    assert sorted(path.name for path in good.parent.iterdir()) == ["epoch_000004", "epoch_000005"]
    save(tmp_path, 6)
    assert load_latest(tmp_path)[0].state["epoch"] == 6
