"""A released checkpoint, converted and used; weights to start from; sentences."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hoigym.adapters.uva.config import InputsConfig, UVAError
from hoigym.adapters.uva.model import UVAModel
from hoigym.adapters.uva.pretrained import load_pretrained, start_from, weights_to_start_from
from hoigym.commands.app import main
from tests.adapters.uva.published import Recorded, arrays, relative, tiny_config
from tests.adapters.uva.test_inputs import SMALL

pytest.importorskip("diffusers")


@pytest.fixture
def released(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A released file in small: the same container and names, weights of the recorded prediction."""
    policy = arrays(shared / "oracle/uva_policy_pusht_tiny_io.npz")
    model = arrays(shared / "oracle/uva_mar_pusht_tiny_weights.npz")
    autoencoder = arrays(shared / "oracle/uva_vae_ch32_weights.npz")
    weights = {"_dummy_variable": torch.zeros(0)}
    weights |= {f"module.model.{name}": value for name, value in model.items()}
    weights |= {f"vae_model.{name}": value for name, value in autoencoder.items()}
    fitted = {name.removeprefix("norm_"): value for name, value in policy.items() if name.startswith("norm_params")}
    weights |= {f"normalizer.{name}": value for name, value in fitted.items()}
    monkeypatch.setattr("hoigym.adapters.uva.released.released_config", lambda tree: tiny_config(shared, "pusht"))
    file = tmp_path / "released.file"
    torch.save({"cfg": {"name": "uva"}, "state_dicts": {"ema_model": weights}, "pickles": {"epoch": b"x"}}, file)
    return file


@pytest.mark.slow
def test_a_converted_checkpoint_predicts_as_published(
    shared: Path, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert main(["uva", "convert", str(released), str(tmp_path / "converted")]) == 0
    said = capsys.readouterr().out
    assert "normaliser of action, agent_pos, image; text weights: none" in said
    assert {path.name for path in (tmp_path / "converted").iterdir()} == {"config.json", "model.safetensors"}
    policy = load_pretrained(tmp_path / "converted")
    io = arrays(shared / "oracle/uva_policy_pusht_tiny_io.npz")
    recorded = Recorded([io["vae_eps"], io["action_init"], *io["chain"]])
    monkeypatch.setattr("hoigym.adapters.uva.policy.Draws", lambda generator: recorded)
    found = policy.predict_action({"image": io["obs_image"]}, torch.Generator())
    assert relative(found["action_pred"], io["action_pred"]) < 1e-4
    assert main(["uva", "convert", str(released), str(tmp_path / "converted")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_model_starts_from_another(tmp_path: Path):
    torch.manual_seed(0)
    donor, file = UVAModel(replace(SMALL, inputs=InputsConfig(5))), tmp_path / "file"
    other = {f"model.{name}": value for name, value in donor.state_dict().items()}
    torch.save({"state_dicts": {"ema_model": other}}, file)
    mine = UVAModel(SMALL)
    filled = start_from(mine, weights_to_start_from(file))
    assert torch.equal(mine.z_proj.weight, donor.z_proj.weight)
    # Actions have another width here, so their layers stay as they were.
    missing = set(mine.state_dict()) - set(filled)
    assert "action_proj_cond.weight" in missing
    assert all("action" in name or "diffactloss" in name for name in missing)
    torch.save({"model_ema": donor.state_dict()}, file)
    assert set(weights_to_start_from(file)) == set(donor.state_dict())
    with pytest.raises(UVAError, match="none of the weights"):
        start_from(mine, {"something": torch.zeros(1)})


def test_sentences_come_back(tmp_path: Path):
    pytest.importorskip("transformers")
    from hoigym.adapters.uva.text import load_sentences, save_sentences

    features = torch.rand(2, 512)
    save_sentences(tmp_path / "s.safetensors", ["push the block", "stand up"], features)
    assert torch.equal(load_sentences(tmp_path / "s.safetensors")["stand up"], features[1])
    with pytest.raises(UVAError, match="not a file of sentences"):
        load_sentences(tmp_path / "none")


@pytest.mark.slow
def test_text_features_come_from_the_pooled_output():
    pytest.importorskip("transformers")
    from transformers import CLIPConfig

    from hoigym.adapters.uva.text import TextEncoder

    with torch.device("meta"):
        encoder = TextEncoder()
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = CLIPConfig(text_config=small, vision_config={**small, "image_size": 32}, projection_dim=512)
    encoder.text_model = type(encoder.text_model)(config).eval()
    tokens = torch.randint(0, 49407, (2, 30))
    features = encoder(tokens, torch.ones_like(tokens))
    assert features.shape == (2, 512)
    assert not torch.equal(features[0], features[1])


def test_sentences_need_a_tokenizer(tmp_path: Path):
    pytest.importorskip("transformers")
    from hoigym.adapters.uva.text import encode_sentences

    def encoder(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return ids.float()

    encoder.eval = lambda: encoder  # pyright: ignore[reportFunctionMemberAccess]
    with pytest.raises(UVAError, match="not a folder with a CLIP tokenizer"):
        encode_sentences(["a"], encoder, tmp_path)  # pyright: ignore[reportArgumentType]
    pieces = ["a", "b", "a</w>", "b</w>", "<|startoftext|>", "<|endoftext|>"]
    (tmp_path / "vocab.json").write_text(json.dumps({piece: place for place, piece in enumerate(pieces)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    tokens = encode_sentences(["a b", "b"], encoder, tmp_path)  # pyright: ignore[reportArgumentType]
    assert tokens.shape == (2, 30)
    assert tokens[:, :4].tolist() == [[4, 2, 3, 5], [4, 3, 5, 5]]
    (tmp_path / "vocab.json").write_text("{")
    with pytest.raises(UVAError, match="its tokenizer cannot be read"):
        encode_sentences(["a"], encoder, tmp_path)  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_sentences_are_read_by_clip_as_its_authors_file_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    transformers = pytest.importorskip("transformers")
    from hoigym.adapters.uva import text

    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    shape = transformers.CLIPConfig(
        text_config={**small, "vocab_size": 4, "eos_token_id": 3},
        vision_config={**small, "image_size": 32},
        projection_dim=512,
    )
    monkeypatch.setattr(text, "CLIPConfig", lambda: shape)
    weights = {name: value.contiguous() for name, value in transformers.CLIPModel(shape).state_dict().items()}
    counters = {f"{part}_model.embeddings.position_ids": torch.arange(5)[None] for part in ("text", "vision")}
    save_file(weights | counters, tmp_path / "model.safetensors")
    pieces = ["a</w>", "b</w>", "<|startoftext|>", "<|endoftext|>"]
    (tmp_path / "vocab.json").write_text(json.dumps({piece: place for place, piece in enumerate(pieces)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    command = ["uva", "text", str(tmp_path / "model.safetensors"), str(tmp_path), str(tmp_path / "s.safetensors")]
    assert main([*command, "--sentences", "[a, b]"]) == 0
    found = text.load_sentences(tmp_path / "s.safetensors")
    assert set(found) == {"a", "b"}
    assert found["a"].shape == (512,)
    assert not torch.equal(found["a"], found["b"])
    save_file({"other": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert main([*command, "--sentences", "[a]"]) == 2
    assert "holds no text model" in capsys.readouterr().err


def test_latency_is_printed_side_by_side(capsys: pytest.CaptureFixture[str]):
    assert main(["uva", "bench", "--repeats", "1"]) == 0
    said = capsys.readouterr().out
    for name in (
        "autoencoder, 4 pictures in",
        "transformer",
        "action head",
        "video head",
        "action alone",
        "with video",
    ):
        assert name in said
