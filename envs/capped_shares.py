"""Shares that none may exceed."""

import torch
from torch import Tensor


def cap_shares(shares: Tensor, limit: Tensor) -> Tensor:
    """Shares lowered to a limit; what the largest lose goes to the others of their row, in proportion.

    Args:
        shares: (M, T), each row adding up to 1, or to 0.
        limit: (M, 1), at least 1 over the number of shares above 0 in the row.

    Returns:
        (M, T), rows adding up to what they did.
    """
    largest = shares.sort(dim=1, descending=True).values
    rest = largest.flip(1).cumsum(1).flip(1)  # of a share and all smaller ones
    capped = torch.arange(shares.shape[1], device=shares.device)
    # Factor of the others once so many are capped: the right one is the first that takes no further share too far.
    factor = (1.0 - capped * limit) / rest.clamp_min(torch.finfo(shares.dtype).tiny)
    fits = factor * largest <= limit * (1.0 + 1e-5)
    first = fits.float().argmax(dim=1, keepdim=True)
    return torch.minimum(shares * factor.gather(1, first), limit)
