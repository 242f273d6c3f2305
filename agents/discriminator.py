"""Tells motion of the policy from recorded motion (AMP, arXiv 2104.02180)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from agents.network import build_mlp
from agents.normaliser import normalise

SMALLEST_DOUBT = 1e-4
"""The probability of being found out is not taken for less, so that the reward stays finite."""


class Discriminator(nn.Module):
    """A multilayer perceptron from windows of motion (N, W) to logits: positive for "recorded".

    Windows are normalised by running moments, which `normaliser.learn_moments` moves.

    Attributes:
        running_mean, running_var: (W,) float64. count: () float64.
    """

    running_mean: Tensor
    running_var: Tensor
    count: Tensor

    def __init__(self, width: int, hidden_sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = build_mlp(width, hidden_sizes, 1)
        self.register_buffer("running_mean", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("running_var", torch.ones(width, dtype=torch.float64))
        self.register_buffer("count", torch.ones((), dtype=torch.float64))

    def normalised(self, windows: Tensor) -> Tensor:
        """Windows (N, W) in standard deviations from the mean, held within five of them."""
        return normalise(windows, self.running_mean.float(), self.running_var.float())

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (N,) of normalised windows (N, W)."""
        return self.layers(inputs).squeeze(-1)

    @property
    def weights(self) -> list[Tensor]:
        """The weight matrices, input side first."""
        return [layer.weight for layer in self.layers if isinstance(layer, nn.Linear)]


class DiscriminatorLoss(NamedTuple):
    """Terms of the loss, each (), before their weights, and how well the two kinds are told apart.

    accuracy: share of windows on the right side of 0, mean of the two kinds. agent_logit, recorded_logit: means.
    """

    entropy: Tensor
    grad_penalty: Tensor
    logit_decay: Tensor
    weight_decay: Tensor
    accuracy: Tensor
    agent_logit: Tensor
    recorded_logit: Tensor


def discriminator_loss(discriminator: Discriminator, agent: Tensor, recorded: Tensor) -> DiscriminatorLoss:
    """The loss on normalised windows of the policy (A, W) and of the clips (R, W).

    entropy: mean of the two kinds' binary cross-entropies, each kind counting alike (ASE, arXiv 2205.01906).
    grad_penalty: mean over recorded windows of the squared norm of the logit's gradient (AMP, eq. 7).
    logit_decay, weight_decay: sums of the squared weights of the last layer, and of all layers.
    """
    recorded = recorded.detach().requires_grad_()
    agent_logit, recorded_logit = discriminator(agent), discriminator(recorded)
    entropy = 0.5 * (
        binary_cross_entropy_with_logits(agent_logit, torch.zeros_like(agent_logit))
        + binary_cross_entropy_with_logits(recorded_logit, torch.ones_like(recorded_logit))
    )
    (gradient,) = torch.autograd.grad(recorded_logit.sum(), recorded, create_graph=True)
    squares = torch.stack([weight.square().sum() for weight in discriminator.weights])
    return DiscriminatorLoss(
        entropy=entropy,
        grad_penalty=gradient.square().sum(-1).mean(),
        logit_decay=squares[-1],
        weight_decay=squares.sum(),
        accuracy=0.5 * ((agent_logit < 0).float().mean() + (recorded_logit > 0).float().mean()),
        agent_logit=agent_logit.mean(),
        recorded_logit=recorded_logit.mean(),
    )


def imitation_reward(logit: Tensor, scale: float) -> Tensor:
    """-scale log(1 - sigmoid(logit)), (N,): 0 where a window is seen through (ASE, arXiv 2205.01906)."""
    return -scale * torch.log((1.0 - torch.sigmoid(logit)).clamp_min(SMALLEST_DOUBT))
