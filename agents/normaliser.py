"""Running normalisation of observations, in the form rl-games stores it."""

from typing import Protocol

import torch
from torch import Tensor

from agents.ranks import ALONE, Ranks

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
