"""The discriminator: what it learns, what its loss and reward are worth, and what is replayed."""

import math

import pytest
import torch
from torch import nn

from hoigym.agents.amp import Discriminator, ReplayRing, discriminator_loss, imitation_reward
from hoigym.agents.network import learn_moments


class Linear(Discriminator):
    """One layer with known weights: the logit is w x + b."""

    def __init__(self, weight: list[float], bias: float) -> None:
        super().__init__(len(weight), (1,))
        layer = nn.Linear(len(weight), 1)
        layer.weight.data = torch.tensor([weight])
        layer.bias.data.fill_(bias)
        self.layers = nn.Sequential(layer)


def test_it_learns_to_tell_two_sets_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    agent = torch.randn(2000, 6, generator=generator)
    recorded = torch.randn(2000, 6, generator=generator) * 0.5 + torch.tensor([0.0, 0, 1.5, 0, -1.5, 0])
    torch.manual_seed(0)
    discriminator = Discriminator(6, (32, 16))
    learn_moments(discriminator, torch.cat((agent, recorded)))
    optimizer = torch.optim.Adam(discriminator.parameters(), 3e-3)
    agent, recorded = discriminator.normalised(agent), discriminator.normalised(recorded)

    def loss(first: int, last: int):
        return discriminator_loss(discriminator, agent[first:last], recorded[first:last])

    assert abs(float(loss(1000, 2000).accuracy) - 0.5) < 0.2
    for _ in range(150):
        terms = loss(0, 1000)
        optimizer.zero_grad()
        (terms.entropy + 0.01 * terms.grad_penalty).backward()
        optimizer.step()
    unseen = loss(1000, 2000)
    assert unseen.accuracy > 0.95
    assert unseen.entropy < 0.2
    assert unseen.recorded_logit > 1.0
    assert unseen.agent_logit < -1.0


def test_terms_of_a_linear_discriminator() -> None:
    discriminator = Linear([3.0, -4.0], bias=0.5)
    agent, recorded = torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.2, 0.1]])
    terms = discriminator_loss(discriminator, agent, recorded)
    # The gradient of w x + b is w everywhere: its squared norm is 9 + 16.
    assert float(terms.grad_penalty.detach()) == pytest.approx(25.0)
    assert float(terms.logit_decay.detach()) == float(terms.weight_decay.detach()) == pytest.approx(25.0)
    logits = torch.tensor([3.5, -3.5, 0.7])
    entropy = 0.5 * (math.log(1.0) + torch.log(1 + torch.exp(torch.tensor(0.0))))  # agent: logit 0
    entropy = entropy + 0.5 * torch.log(1 + torch.exp(-logits)).mean()
    assert float(terms.entropy.detach()) == pytest.approx(float(entropy), abs=1e-6)
    assert float(terms.accuracy) == pytest.approx(0.5 * (0.0 + 2.0 / 3.0))  # the agent's logit is not below 0
    assert float(terms.recorded_logit.detach()) == pytest.approx(0.7 / 3.0, abs=1e-6)


def test_the_gradient_penalty_has_a_gradient() -> None:
    discriminator = Linear([3.0, -4.0], bias=0.0)
    terms = discriminator_loss(discriminator, torch.zeros(2, 2), torch.ones(2, 2))
    terms.grad_penalty.backward()
    torch.testing.assert_close(discriminator.weights[0].grad, torch.tensor([[6.0, -8.0]]))


def test_weight_decay_counts_every_layer_and_logit_decay_the_last() -> None:
    discriminator = Discriminator(4, (3, 2))
    terms = discriminator_loss(discriminator, torch.zeros(1, 4), torch.zeros(1, 4))
    squares = [
        float(layer.weight.detach().square().sum()) for layer in discriminator.layers if isinstance(layer, nn.Linear)
    ]
    assert float(terms.logit_decay.detach()) == pytest.approx(squares[-1])
    assert float(terms.weight_decay.detach()) == pytest.approx(sum(squares))


def test_reward() -> None:
    reward = imitation_reward(torch.tensor([0.0, -100.0, 2.0, 100.0]), scale=2.0)
    wanted = [2 * math.log(2), 0.0, 2 * math.log(1 + math.exp(2.0)), -2 * math.log(1e-4)]
    torch.testing.assert_close(reward, torch.tensor(wanted), atol=1e-4, rtol=0)


def test_the_ring_writes_over_the_oldest() -> None:
    ring = ReplayRing(5, 1, torch.device("cpu"))
    with pytest.raises(ValueError, match="nothing is stored"):
        ring.sample(1)
    ring.store(torch.tensor([[1.0], [2.0], [3.0]]), keep=0.0)
    assert ring.stored == 3
    assert set(ring.sample(200).flatten().tolist()) == {1.0, 2.0, 3.0}
    ring.store(torch.tensor([[4.0], [5.0], [6.0]]), keep=0.0)  # not full before: all are stored
    assert ring.windows.flatten().tolist() == [6.0, 2.0, 3.0, 4.0, 5.0]
    ring.store(torch.full((10, 1), 7.0), keep=0.2)  # full: a share of 0.2 is
    assert ring.windows.flatten().tolist() == [6.0, 7.0, 7.0, 4.0, 5.0]
    assert (ring.stored, ring.next) == (5, 3)
    ring.store(torch.full((10, 1), 8.0), keep=0.0)
    assert (ring.windows != 8.0).all()


def test_more_than_the_ring_holds_is_thinned_at_random() -> None:
    torch.manual_seed(0)
    ring = ReplayRing(100, 1, torch.device("cpu"))
    ring.store(torch.arange(1000.0).unsqueeze(1), keep=0.0)
    kept = ring.windows.flatten()
    assert len(kept.unique()) == 100
    assert 300 < float(kept.mean()) < 700


def test_the_ring_goes_on_from_its_state() -> None:
    ring = ReplayRing(5, 1, torch.device("cpu"))
    ring.store(torch.tensor([[1.0], [2.0], [3.0]]), keep=0.0)
    other = ReplayRing(5, 1, torch.device("cpu"))
    other.load_state_dict(ring.state_dict())
    for each in (ring, other):
        each.store(torch.tensor([[4.0]]), keep=0.0)
    assert torch.equal(ring.windows, other.windows)
    with pytest.raises(ValueError, match="do not fit"):
        ReplayRing(2, 1, torch.device("cpu")).load_state_dict(ring.state_dict())
