from dataclasses import asdict, replace
from pathlib import Path

import imageio.v3 as iio
import pytest
import safetensors.torch
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hoigym.adapters.learning.learner import FitConfig
from hoigym.adapters.uniskill.config import PairConfig, UniSkillConfig
from hoigym.adapters.uniskill.forward import DiffusionConfig, ForwardConfig, RegressionForward
from hoigym.adapters.uniskill.isd import InverseDynamics, IsdConfig
from hoigym.adapters.uniskill.model import UniSkill
from hoigym.adapters.uniskill.pretrained import (
    PretrainedError,
    find_start,
    find_weights,
    load_isd,
    load_uniskill,
    read_weights,
    weights_hash,
)
from hoigym.adapters.uniskill.training import comparison, train
from hoigym.core.checkpoint import CheckpointError, list_checkpoints, load_latest
from hoigym.core.errors import UserError
from tests.adapters.uniskill.films import square_store

TINY = UniSkillConfig(
    isd=IsdConfig(1, 2, 16, 4, 8, 32, trunk="small", init_std=0.25, position_std=0.5, context_norm="batch"),
    forward=ForwardConfig("regression", resolution=16, channels=8),
    data=PairConfig("store", gap=(0.1, 0.2)),
    fit=FitConfig(steps=6, batch_size=8, save_every=3, validate_every=3, device="cpu"),
    learning_rate=3e-3,
    jitter=0.2,
)


def plain(config: UniSkillConfig) -> dict:
    return asdict(config)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return square_store(tmp_path_factory.mktemp("store")).folder


def test_a_run_can_be_resumed_loaded_and_looked_at(tmp_path: Path, store: Path) -> None:
    config = replace(TINY, data=replace(TINY.data, path=str(store)))
    train(config, tmp_path / "whole", False, plain(config))
    short = replace(config, fit=replace(config.fit, steps=4))
    train(short, tmp_path / "cut", False, plain(short))
    train(config, tmp_path / "cut", True, plain(config))
    whole, cut = (load_latest(tmp_path / name)[0].tensors for name in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    for name, value in whole.items():
        assert torch.equal(value, cut[name]), name

    model = load_uniskill(tmp_path / "whole")
    z = model.skill(torch.rand(2, 2, 3, 32, 32), torch.rand(2, 2, 32, 32))
    assert z.shape == (2, 4)
    assert model.predict(torch.rand(2, 3, 16, 16), z).shape == (2, 3, 16, 16)
    isd = load_isd(str(tmp_path / "whole"))
    assert torch.equal(isd.skill_proj.weight, model.isd.skill_proj.weight)
    picture = iio.imread(tmp_path / "whole" / "pictures" / "frame_prediction_target_000006.png")
    assert picture.shape == (6 * 100, 3 * 100, 3)


@pytest.mark.slow
def test_z_tells_which_way_the_square_moves(tmp_path: Path, store: Path) -> None:
    config = replace(TINY, data=replace(TINY.data, path=str(store)), jitter=0.0)
    config = replace(config, fit=replace(config.fit, steps=300, validate_every=300, save_every=300, batch_size=16))
    train(config, tmp_path, False, plain(config))
    curves = EventAccumulator(str(tmp_path / "summaries")).Reload()
    error, of_others = (curves.Scalars(f"validation/{name}")[-1].value for name in ("error", "error_shuffled"))
    assert error < 0.7
    assert error < 0.8 * of_others


def test_the_last_good_checkpoint_is_described_by_its_own_hash(tmp_path: Path, store: Path) -> None:
    config = replace(TINY, data=replace(TINY.data, path=str(store)))
    train(config, tmp_path, False, plain(config))
    newest = weights_hash(load_isd(str(tmp_path)))
    assert weights_hash(load_isd(str(tmp_path))) == newest
    (list_checkpoints(tmp_path)[-1] / "tensors.safetensors").write_bytes(b"junk")
    assert weights_hash(load_isd(str(tmp_path))) != newest


def test_start_from_another_run(tmp_path: Path, store: Path) -> None:
    config = replace(TINY, data=replace(TINY.data, path=str(store)), learning_rate=0.0)
    train(config, tmp_path / "first", False, plain(config))
    other = replace(config, start_from=str(tmp_path / "first"), fit=replace(config.fit, seed=9, steps=1))
    train(other, tmp_path / "second", False, plain(other))
    weights = [load_uniskill(tmp_path / name).isd.skill_proj.weight for name in ("first", "second")]
    assert torch.equal(*weights)


def test_start_from_published_networks(tmp_path: Path, store: Path) -> None:
    diffusion = DiffusionConfig(channels=(8,), layers_per_block=1, heads=2, norm_groups=4, attention_levels=0)
    forward = ForwardConfig("diffusion", 8, diffusion=diffusion)
    fit = replace(TINY.fit, steps=1, validate_every=0)
    config = replace(TINY, data=replace(TINY.data, path=str(store)), learning_rate=0.0, forward=forward, fit=fit)
    torch.manual_seed(5)
    published = UniSkill(config.isd, forward)
    unet = published.forward_model.get_submodule("unet").state_dict()
    folder = tmp_path / "pix2pix" / "unet"
    folder.mkdir(parents=True)
    halves = [dict(list(unet.items())[part::2]) for part in (0, 1)]
    for part, half in enumerate(halves):
        safetensors.torch.save_file(half, folder / f"diffusion_pytorch_model-{part}-of-1.safetensors")
    # Variants and other formats of the same are not read.
    for name in ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.bin"):
        (folder / name).write_bytes(b"junk")

    def started(run: str) -> UniSkill:
        chosen = replace(config, start_from=str(tmp_path / "pix2pix"))
        train(chosen, tmp_path / run, False, plain(chosen))
        return load_uniskill(tmp_path / run)

    alone = started("alone")
    assert torch.equal(alone.forward_model.get_submodule("unet").state_dict()["conv_in.weight"], unet["conv_in.weight"])
    assert not torch.equal(alone.isd.proj.weight, published.isd.proj.weight)
    safetensors.torch.save_file(published.isd.state_dict(), tmp_path / "pix2pix" / "idm.safetensors")
    assert torch.equal(started("both").isd.proj.weight, published.isd.proj.weight)
    (tmp_path / "pix2pix" / "idm.safetensors").unlink()
    regression = replace(config, forward=TINY.forward, start_from=str(tmp_path / "pix2pix"))
    with pytest.raises(UserError, match=r"unet: of a diffusion forward model, which forward\.kind regression is not"):
        train(regression, tmp_path / "none", False, plain(regression))


def test_what_is_fetched_from_the_hub_is_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def fetch(source: str, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    (tmp_path / "idm.pth").touch()
    assert find_weights("some/model") == find_start("some/model")[0] == tmp_path / "idm.pth"
    assert asked == [["*idm.safetensors", "*idm.pth"], ["*idm.safetensors", "*idm.pth", "*unet/*"]]


def test_what_cannot_be_used_is_one_line(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"data\.path is missing"):
        train(TINY, tmp_path, False, {})
    with pytest.raises(PretrainedError, match="no such file or folder, and no hub id"):
        load_isd("nowhere")
    with pytest.raises(PretrainedError, match="the hub does not give it"):
        load_isd("nobody/nothing")
    with pytest.raises(PretrainedError, match=r"none of idm\.safetensors, idm\.pth"):
        load_isd(str(tmp_path))
    (tmp_path / "idm.pth").write_bytes(b"junk")
    with pytest.raises(PretrainedError, match="not a file of weights"):
        load_isd(str(tmp_path))
    with pytest.raises(PretrainedError, match="no training run there"):
        load_uniskill(tmp_path)


def test_settings_that_cannot_be_are_one_line() -> None:
    for wrong in ({"learning_rate": -1e-3}, {"warm_up": -1}, {"weight_decay": -0.1}, {"jitter": 1.5}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            replace(TINY, **wrong)
    over_batch = replace(TINY, isd=replace(TINY.isd, context_norm="batch"))
    with pytest.raises(UserError, match=r"context_norm batch needs a fit\.batch_size of at least 2"):
        replace(over_batch, fit=replace(TINY.fit, batch_size=1))


def test_published_checkpoints_of_any_size(tmp_path: Path) -> None:
    config = IsdConfig(2, 4, 32, 8, 16, 64)
    isd = InverseDynamics(config).eval()
    weights = isd.state_dict()
    (tmp_path / "checkpoint-200").mkdir()
    (tmp_path / "checkpoint-1000").mkdir()
    safetensors.torch.save_file(weights, tmp_path / "checkpoint-200" / "idm.safetensors")
    torch.save(weights, tmp_path / "checkpoint-1000" / "idm.pth")
    assert find_weights(str(tmp_path)).parent.name == "checkpoint-1000"
    loaded = load_isd(str(tmp_path))
    assert loaded.config == config
    pair = torch.rand(1, 2, 64, 64), torch.rand(1, 2, 3, 64, 64)
    assert torch.allclose(loaded.skill(*pair), isd.skill(*pair), atol=1e-6)

    def broken(change: str) -> Path:
        other = dict(weights)
        if change == "missing":
            del other["proj.weight"]
        elif change == "unexpected":
            other["decoder.weight"] = torch.zeros(1)
        elif change == "shape":
            other["proj.bias"] = torch.zeros(3)
        else:
            del other["skill_proj.weight"]
        path = tmp_path / f"{change}.safetensors"
        safetensors.torch.save_file(other, path)
        return path

    for change, line in (
        ("missing", "'proj.weight' is missing"),
        ("unexpected", "'decoder.weight' is unexpected"),
        ("shape", r"'proj.bias' has shape \(3,\), expected \(32,\)"),
        ("size", "not an inverse model of UniSkill: 'skill_proj.weight' is missing"),
    ):
        with pytest.raises((PretrainedError, CheckpointError), match=line):
            load_isd(str(broken(change)))


class _Payload:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def test_a_pickle_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"proj.weight": _Payload()}, tmp_path / "idm.pth")
    with pytest.raises(PretrainedError, match="not a file of weights"):
        read_weights(tmp_path / "idm.pth")
    assert not (tmp_path / "ran").exists()


def test_regression_starts_by_copying_and_its_error_is_relative() -> None:
    forward = RegressionForward(8, 8)
    now, following, context = torch.rand(4, 3, 16, 16), torch.rand(4, 3, 16, 16), torch.rand(4, 1, 8)
    _, scalars = forward.loss(now, following, context, torch.Generator())
    assert scalars["relative_error"].item() == pytest.approx(1.0)
    assert torch.equal(forward.predict(now, context, torch.Generator()), now)


def test_pictures_stand_side_by_side() -> None:
    columns = [torch.full((2, 3, 48, 48), value) for value in (0.0, 0.5, 1.0)]
    picture = comparison(*columns)
    assert picture.shape == (2 * 100, 3 * 100, 3)
    assert picture[50, [50, 150, 250, 0], 0].tolist() == [0, 128, 255, 255]


def test_diffusion_configuration_names_the_published_blocks() -> None:
    from hoigym.adapters.uniskill.forward import stage_kwargs

    blocks = stage_kwargs(DiffusionConfig())
    assert blocks["down_block_types"] == ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
    assert blocks["up_block_types"] == ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3
