"""Running normalisation of observations, in the form rl-games stores it."""

from typing import Protocol

import torch
from torch import Tensor

EPSILON = 1e-5
LARGEST = 5.0


class RunningMoments(Protocol):
    """rl-games' RunningMeanStd: float64 buffers."""

    running_mean: Tensor
    running_var: Tensor
    count: Tensor


@torch.no_grad()
def learn_moments(moments: RunningMoments, samples: Tensor) -> None:
    """Merge the mean and variance of samples (S, O) into the running ones.

    Parallel variance of Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", 1983.
    """
    variance, mean = torch.var_mean(samples, dim=0, correction=0)
    mean, variance = mean.double(), variance.double()
    old, new = moments.count, float(len(samples))
    total = old + new
    delta = mean - moments.running_mean
    spread = moments.running_var * old + variance * new + delta.square() * (old * new / total)
    moments.running_mean = moments.running_mean + delta * (new / total)
    moments.running_var = spread / total
    moments.count = total


def normalise(samples: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Samples (..., O) in standard deviations (O,) from the mean (O,), held within five of them."""
    return ((samples - mean) / torch.sqrt(variance + EPSILON)).clamp(-LARGEST, LARGEST)
