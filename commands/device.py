"""The device that an option names."""

from motions.errors import UserError


def check_device(name: str) -> None:
    """Raises UserError where torch has no such device here."""
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError):  # the latter where torch was built without it
        raise UserError(f"device {name}: there is none here") from None
