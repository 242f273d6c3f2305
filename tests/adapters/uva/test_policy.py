"""The whole policy against a recorded prediction, and its parts."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hoigym.adapters.uva.config import AutoencoderConfig, HeadConfig, InputsConfig, TrunkConfig, UVAConfig, UVAError
from hoigym.adapters.uva.draws import Draws
from hoigym.adapters.uva.policy import Normaliser, UVAPolicy
from tests.adapters.uva.published import Recorded, arrays, relative, tiny_config


def test_the_autoencoder_is_the_published(shared: Path):
    pytest.importorskip("diffusers")
    from hoigym.adapters.uva.autoencoder import SCALE, KLAutoencoder, from_published

    io = arrays(shared / "oracle/uva_vae_ch32_io.npz")
    autoencoder = KLAutoencoder(32).eval()
    autoencoder.load_state_dict(from_published(arrays(shared / "oracle/uva_vae_ch32_weights.npz")))
    pictures = (io["image"] + 1.0) / 2.0
    noise = torch.randn(io["mean"].shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mean, drawn = autoencoder.encode(pictures), autoencoder.encode(pictures, Recorded([noise]))
        decoded = autoencoder.decode(io["mean"] * SCALE)
    torch.testing.assert_close(mean / SCALE, io["mean"], rtol=1e-4, atol=1e-4)
    deviation = (0.5 * io["logvar"].clamp(-30.0, 20.0)).exp()
    torch.testing.assert_close(drawn / SCALE, io["mean"] + deviation * noise, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(2.0 * decoded - 1.0, io["decoded_from_mean"].clamp(-1.0, 1.0), rtol=1e-4, atol=1e-4)


@pytest.fixture
def recorded_policy(shared: Path) -> tuple[UVAPolicy, dict[str, Tensor]]:
    pytest.importorskip("diffusers")
    from hoigym.adapters.uva.autoencoder import from_published

    io = arrays(shared / "oracle/uva_policy_pusht_tiny_io.npz")
    policy = UVAPolicy(tiny_config(shared, "pusht")).eval()
    policy.model.load_state_dict(arrays(shared / "oracle/uva_mar_pusht_tiny_weights.npz"))
    policy.vae_model.load_state_dict(from_published(arrays(shared / "oracle/uva_vae_ch32_weights.npz")))
    policy.normalizer.fit({"action": io["norm_action_fit"], "agent_pos": io["norm_agent_pos_fit"]})
    return policy, io


@pytest.mark.slow
def test_a_prediction_is_the_published(recorded_policy, monkeypatch: pytest.MonkeyPatch):
    policy, io = recorded_policy
    recorded = Recorded([io["vae_eps"], io["action_init"], *io["chain"]])
    monkeypatch.setattr("hoigym.adapters.uva.policy.Draws", lambda generator: recorded)
    obs = {"image": io["obs_image"], "agent_pos": io["obs_agent_pos"]}
    prediction = policy.predict_action(obs, torch.Generator())
    assert relative(prediction["action"], io["action"]) < 1e-4
    assert relative(prediction["action_pred"], io["action_pred"]) < 1e-4
    assert prediction["video"] is None
    torch.testing.assert_close(policy.resize(io["obs_image"][0, 3:4])[0], io["resized_frame3"], rtol=1e-5, atol=1e-5)


def test_normaliser_parameters_are_the_published(shared: Path):
    io = arrays(shared / "oracle/uva_policy_pusht_tiny_io.npz")
    normaliser = Normaliser()
    normaliser.fit({"action": io["norm_action_fit"], "agent_pos": io["norm_agent_pos_fit"]})
    for name, value in normaliser.state_dict().items():
        torch.testing.assert_close(value, io[f"norm_{name}"], msg=name)
    loaded = Normaliser()
    state = {name.removeprefix("norm_"): value for name, value in io.items() if name.startswith("norm_params_dict")}
    loaded.make_fields(state)
    loaded.load_state_dict(state)
    action = io["norm_action_fit"]
    assert torch.equal(loaded.normalise("action", action), normaliser.normalise("action", action))
    torch.testing.assert_close(loaded.restore("action", loaded.normalise("action", action)), action)


def test_a_still_column_is_shifted_to_zero():
    normaliser = Normaliser()
    normaliser.fit({"x": torch.tensor([[3.0, 0.0], [3.0, 10.0]])})
    assert normaliser.normalise("x", torch.tensor([[3.0, 10.0]])).tolist() == [[0.0, 1.0]]
    normaliser.fit({"x": torch.tensor([[0.0, 0.0], [4.0, 10.0]])}, {"x": 1})
    assert normaliser.normalise("x", torch.tensor([[4.0, 10.0]])).tolist() == [[1.0, 10.0]]
    with pytest.raises(UVAError, match="no field 'y'"):
        normaliser.normalise("y", torch.zeros(1))


def small_config(**inputs) -> UVAConfig:
    return UVAConfig(
        image_size=64,
        autoencoder=AutoencoderConfig("patch", channels=8),
        trunk=TrunkConfig(16, 1, 2, 1, 2),
        video_head=HeadConfig(16, 1, 4),
        action_head=HeadConfig(16, 1, 4),
        inputs=InputsConfig(**inputs),
    )


def test_video_changes_nothing_in_the_action():
    policy = UVAPolicy(small_config()).eval()
    pictures = torch.rand(2, 16, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    without = policy.predict_action({"image": pictures}, torch.Generator().manual_seed(5))
    with_video = policy.predict_action({"image": pictures}, torch.Generator().manual_seed(5), True, iterations=3)
    assert torch.equal(without["action_pred"], with_video["action_pred"])
    assert without["action"].shape == (2, 8, 2)
    assert with_video["video"] is not None
    assert with_video["video"].shape == (2, 4, 3, 64, 64)


def test_text_and_felt_position_matter_and_are_asked_for():
    torch.manual_seed(0)
    policy = UVAPolicy(small_config(text=True, proprioception="agent")).eval()
    for parameter in policy.model.diffactloss.net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    policy.vae_model.fit(torch.rand(8, 3, 64, 64))  # pyright: ignore[reportCallIssue]
    obs = {"image": torch.rand(1, 16, 3, 64, 64), "text": torch.rand(1, 512), "agent_pos": torch.rand(1, 16, 2)}

    def action(changed: dict[str, Tensor]) -> Tensor:
        return policy.predict_action({**obs, **changed}, torch.Generator().manual_seed(1))["action"]

    same = action({})
    assert torch.equal(same, action({}))
    for name in obs:
        assert not torch.equal(same, action({name: obs[name] + 1.0})), name
    with pytest.raises(UVAError, match="needs the observation 'agent_pos'"):
        policy.predict_action({"image": obs["image"]}, torch.Generator())


def test_patches_come_back_from_their_components():
    generator = torch.Generator().manual_seed(0)
    basis = torch.rand(8, 3, 16, 16, generator=generator) / 8
    weights = torch.rand(40, 4, 4, 8, generator=generator)
    pictures = torch.einsum("nijk,kcab->nciajb", weights, basis).reshape(40, 3, 64, 64)
    policy = UVAPolicy(small_config())
    assert policy.vae_model.fit(pictures) == pytest.approx(1.0, abs=1e-6)  # pyright: ignore[reportCallIssue]
    latents = policy.encode(pictures[None], Draws(generator))
    torch.testing.assert_close(policy.decode(latents)[0], pictures, rtol=1e-3, atol=1e-3)
    assert latents.std(dim=(0, 1, 3, 4)).tolist() == pytest.approx([1.0] * 8, abs=0.2)
