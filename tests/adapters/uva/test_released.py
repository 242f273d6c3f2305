"""Reading released files: what they hold, and that nothing in them runs."""

import pickle
from pathlib import Path

import pytest
import torch

from hoigym.adapters.uva.config import UVAError
from hoigym.adapters.uva.released import read_published, released_config, setting, weights_in


def test_the_published_container_gives_weights_and_settings(shared: Path):
    content = read_published(shared / "oracle/uva_checkpoint_format_sample.ckpt")
    weights = weights_in(content, "state_dicts", "ema_model")
    assert weights is not None
    assert weights["model.weight"].shape == (2, 3)
    assert setting(content["cfg"], "task.name") == "pusht"
    assert setting(content["cfg"], "task.shape_meta.action.shape") == [2]
    config = released_config(content["cfg"])
    assert (config.trunk.width, config.trunk.encoder_depth, config.image_size) == (768, 12, 256)
    assert (config.inputs.action_dim, config.inputs.text, config.inputs.predict_action) == (2, False, True)
    assert (config.temperature, config.shift_action, config.execute) == (0.95, True, 8)
    # The nested pickles stay bytes.
    assert isinstance(content["pickles"]["epoch"], bytes)


class _Touch:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class _Evaluate:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return eval, (f"open({str(self.path)!r}, 'w')",)


class _Shell:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        import os

        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("attack", [_Touch, _Evaluate, _Shell])
def test_a_hostile_file_runs_nothing(tmp_path: Path, attack: type):
    mark, file = tmp_path / "ran", tmp_path / "hostile.file"
    weights = {"model.weight": torch.ones(2)}
    content = {"state_dicts": {"ema_model": weights}, "pickles": {"x": pickle.dumps(attack(mark))}, "bad": attack(mark)}
    torch.save(content, file)
    # The same file does run for who trusts it.
    torch.load(file, weights_only=False)
    assert mark.exists()
    mark.unlink()
    try:
        found = weights_in(read_published(file), "state_dicts", "ema_model")
    except UVAError:
        found = None
    assert not mark.exists()
    assert found is None or torch.equal(found["model.weight"], weights["model.weight"])


@pytest.mark.parametrize("content", [b"", b"no archive", pickle.dumps({"model": 1})])
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: bytes):
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(UVAError, match="not a checkpoint"):
        read_published(file)
    with pytest.raises(UVAError, match="No such file"):
        read_published(tmp_path / "none")


def test_an_unknown_task_with_proprioception_is_refused():
    tree = {
        "task": {"name": "pusht", "shape_meta": {"action": {"shape": [2]}}},
        "model": {"policy": {"use_proprioception": True}},
    }
    with pytest.raises(UVAError, match="'pusht' has no proprioception"):
        released_config(tree)
