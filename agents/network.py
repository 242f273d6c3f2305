"""Policy network, an actor and a critic that share nothing, and the running normalisation of observations."""

from typing import Protocol

import torch
from torch import Tensor, nn

from hoigym.core.processes import ALONE, Ranks


def build_mlp(input_size: int, hidden_sizes: tuple[int, ...], output_size: int) -> nn.Sequential:
    """Linear layers with ReLU between them; torch's default weights, biases zero."""
    sizes = (input_size, *hidden_sizes, output_size)
    layers: list[nn.Module] = []
    for width_in, width_out in zip(sizes[:-1], sizes[1:], strict=True):
        linear = nn.Linear(width_in, width_out)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class ActorCritic(nn.Module):
    """Separate multilayer perceptrons for the mean action and the value.

    The hidden layers follow autocast; the two output layers always run in float32, so that neither
    mean actions nor values are rounded to the eight bits of a bfloat16.

    Attributes:
        log_sigma: (A,) logarithm of the action noise; a buffer, so no optimiser moves it.
    """

    log_sigma: Tensor

    def __init__(self, obs_size: int, action_size: int, hidden_sizes: tuple[int, ...], log_sigma: float) -> None:
        super().__init__()
        self.actor = build_mlp(obs_size, hidden_sizes, action_size)
        self.critic = build_mlp(obs_size, hidden_sizes, 1)
        self.register_buffer("log_sigma", torch.full((action_size,), log_sigma))

    def mean_action(self, obs: Tensor) -> Tensor:
        """Mean action (..., A) of normalised observations (..., O); unbounded."""
        return _float32_head(self.actor, obs)

    def value(self, obs: Tensor) -> Tensor:
        """Normalised value (..., 1) of normalised observations (..., O)."""
        return _float32_head(self.critic, obs)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, None]:
        """rl-games' calling convention: mean, log sigma (both (N, A)), value (N, 1), no recurrent state."""
        mean = self.mean_action(batch["obs"])
        return mean, self.log_sigma.expand_as(mean), self.value(batch["obs"]), None

    def is_rnn(self) -> bool:
        return False

    def get_aux_loss(self) -> None:
        return None


def _float32_head(mlp: nn.Sequential, obs: Tensor) -> Tensor:
    *layers, head = mlp
    hidden = obs
    for layer in layers:
        hidden = layer(hidden)
    with torch.autocast(obs.device.type, enabled=False):
        return head(hidden.float())


# --- Running normalisation of observations, in the form rl-games stores it ------------------------------------------


EPSILON = 1e-5
LARGEST = 5.0


class RunningMoments(Protocol):
    """rl-games' RunningMeanStd: float64 buffers."""

    running_mean: Tensor
    running_var: Tensor
    count: Tensor


@torch.no_grad()
def learn_moments(moments: RunningMoments, samples: Tensor, ranks: Ranks = ALONE) -> None:
    """Merge the mean and variance of samples (S, O), those of all processes, into the running ones.

    Parallel variance of Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", 1983.
    """
    mean = samples.mean(dim=0)
    variance = (samples - mean).square_().mean(dim=0).double()  # twice as fast as torch.var_mean on a CPU
    mean = mean.double()
    if ranks.count > 1:
        pooled = ranks.mean(torch.stack((mean, variance + mean.square())))
        mean, variance = pooled[0], pooled[1] - pooled[0].square()
    old, new = moments.count, float(len(samples) * ranks.count)
    total = old + new
    delta = mean - moments.running_mean
    spread = moments.running_var * old + variance * new + delta.square() * (old * new / total)
    moments.running_mean = moments.running_mean + delta * (new / total)
    moments.running_var = spread / total
    moments.count = total


def normalise(samples: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Samples (..., O) in standard deviations (O,) from the mean (O,), held within five of them."""
    return ((samples - mean) / torch.sqrt(variance + EPSILON)).clamp(-LARGEST, LARGEST)
