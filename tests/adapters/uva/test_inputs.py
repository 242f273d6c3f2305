"""What is shown, what is hidden, and which steps go where."""

from dataclasses import replace

import pytest
import torch

from hoigym.adapters.uva.config import AutoencoderConfig, HeadConfig, InputsConfig, TrunkConfig, UVAConfig
from hoigym.adapters.uva.draws import Draws
from hoigym.adapters.uva.model import PROPRIOCEPTION, draw_hidden, draw_history
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.windows import model_input

SMALL = UVAConfig(
    image_size=64,
    autoencoder=AutoencoderConfig("patch", channels=8),
    trunk=TrunkConfig(16, 1, 2, 1, 2),
    video_head=HeadConfig(16, 1, 4),
    action_head=HeadConfig(16, 1, 4),
)


def draws(seed: int = 0) -> Draws:
    return Draws(torch.Generator().manual_seed(seed))


def test_hidden_share_follows_the_published_distribution():
    config = UVAConfig()
    random = draws()
    counts = torch.tensor([draw_hidden(config, 1, random).tokens.sum() for _ in range(4000)]).float()
    # Published: mean .867 of 256 rounded up, median 224, a twentieth below 186 and above 253, all at 1.6 %.
    assert counts.mean().item() == pytest.approx(0.867 * 256 + 0.5, abs=1.5)
    assert counts.median().item() == pytest.approx(224, abs=3)
    assert counts.quantile(0.05).item() == pytest.approx(186, abs=3)
    assert counts.quantile(0.95).item() == pytest.approx(253, abs=2)
    assert (counts == 256).float().mean().item() == pytest.approx(0.016, abs=0.008)
    assert counts.min() >= 180


def test_samples_of_a_batch_hide_as_many_tokens_at_other_places():
    hidden = draw_hidden(UVAConfig(), 3, draws()).tokens
    assert len(set(hidden.sum(1).tolist())) == 1
    assert not torch.equal(hidden[0], hidden[1])


def test_text_and_past_actions_are_hidden_as_often_as_asked():
    inputs = InputsConfig(text=True, history_action=True, text_drop=0.1, history_action_keep=0.5)
    hidden = draw_hidden(replace(SMALL, inputs=inputs), 4000, draws())
    assert hidden.text is not None
    assert hidden.history_action is not None
    assert hidden.text.float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert hidden.history_action.float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_drawn_history_ends_now_and_never_goes_back():
    random = draws()
    seen = torch.stack([draw_history(random) for _ in range(300)])
    assert (seen[:, -1] == 15).all()
    assert (seen.diff(dim=1) >= 0).all()
    assert len(seen.unique(dim=0)) > 150


@pytest.mark.parametrize(("shift", "past"), [(True, False), (False, False), (True, True), (False, True)])
def test_steps_go_where_they_belong(shift: bool, past: bool):
    config = replace(SMALL, shift_action=shift, inputs=InputsConfig(1, history_action=past, proprioception="agent"))
    assert config.window == 32 + past
    steps = torch.arange(float(config.window))
    window = steps[past:]
    batch = {
        "latent": window[[3, 7, 11, 15, 19, 23, 27, 31], None, None, None].expand(8, 8, 4, 4)[None],
        "action": steps[None, :, None],
        "agent_pos": steps[None, :, None].expand(1, -1, 2),
    }
    given = model_input(UVAPolicy(config), batch, draws())
    assert given.future is not None
    assert given.action is not None
    now = 15 + past
    assert given.history[0, :, 0, 0, 0].tolist() == [now - 12, now - 8, now - 4, now]
    assert given.future[0, :, 0, 0, 0].tolist() == [now + 4, now + 8, now + 12, now + 16]
    assert given.action[0, :, 0].tolist() == list(range(now + (not shift), now + (not shift) + 16))
    if past:
        assert given.history_action is not None
        assert given.history_action[0, :, 0].tolist() == list(range(int(not shift), int(not shift) + 16))
    assert given.proprioception is not None
    assert given.proprioception[0, :, 0].tolist() == list(range(past, now + 1))
    assert given.proprioception_future is not None
    assert given.proprioception_future[0, :, 0].tolist() == list(range(now + 1, now + 17))


def test_random_history_is_taken_from_the_whole_window_with_what_was_felt_then():
    config = replace(SMALL, random_history=True, inputs=InputsConfig(proprioception="agent"))
    steps = torch.arange(32.0)
    latents = steps[None, :, None, None, None].expand(1, 32, 8, 4, 4)
    agent = steps[None, :, None].expand(1, 32, 2)
    batch = {"latent": latents, "action": torch.zeros(1, 32, 2), "agent_pos": agent}
    given = model_input(UVAPolicy(config), batch, draws(3))
    expected = draw_history(draws(3)).tolist()
    assert given.history[0, :, 0, 0, 0].tolist() == expected
    assert given.future is not None
    assert given.future[0, :, 0, 0, 0].tolist() == [19, 23, 27, 31]
    assert given.proprioception is not None
    assert given.proprioception[0, :, 0].tolist() == expected
    assert given.proprioception_future is not None
    assert given.proprioception_future[0, :, 0].tolist() == list(range(16, 32))


@pytest.mark.parametrize(("random_history", "rows"), [(False, list(range(16))), (True, [3, 7, 11, 15])])
def test_a_policy_is_told_what_was_felt_as_in_training(random_history: bool, rows: list[int]):
    """Released UMI models, whose pictures were taken at drawn steps, have four rows: one for each picture."""
    policy = UVAPolicy(replace(SMALL, random_history=random_history, inputs=InputsConfig(proprioception="umi")))
    steps = torch.arange(16.0)[None, :, None]
    obs = {name: steps.expand(1, 16, width) for name, width in PROPRIOCEPTION["umi"].items()}
    given = policy.observed({"image": torch.zeros(1, 16, 3, 64, 64), **obs}, draws())
    assert given.proprioception is not None
    assert given.proprioception[0, :, 0].tolist() == rows
    assert given.proprioception.shape[2] == 16
