"""Smooth curves through time: quintics between states and splines through keys."""

import torch
from torch import Tensor

State = tuple[float, float, float]  # position, velocity, acceleration


def quintic(start: State, end: State, duration: float, time: Tensor) -> Tensor:
    """The fifth-order polynomial from one state to another; time (T,) counts from the start [s] -> (T,)."""
    p0, v0, a0 = start
    p1, v1, a1 = end
    h = duration
    c3 = (20 * (p1 - p0) - (8 * v1 + 12 * v0) * h - (3 * a0 - a1) * h**2) / (2 * h**3)
    c4 = (30 * (p0 - p1) + (14 * v1 + 16 * v0) * h + (3 * a0 - 2 * a1) * h**2) / (2 * h**4)
    c5 = (12 * (p1 - p0) - 6 * (v1 + v0) * h - (a0 - a1) * h**2) / (2 * h**5)
    return p0 + time * (v0 + time * (a0 / 2 + time * (c3 + time * (c4 + time * c5))))


def quintic_chain(nodes: list[tuple[float, State]], time: Tensor) -> Tensor:
    """Quintics through states at given times (ascending), (T,) -> (T,); held outside the first and last."""
    starts = torch.tensor([at for at, _ in nodes], dtype=time.dtype)
    value = torch.full_like(time, nodes[0][1][0])
    for (at, start), (until, end) in zip(nodes[:-1], nodes[1:], strict=True):
        inside = (time >= at) & (time <= until)
        value = torch.where(inside, quintic(start, end, until - at, time - at), value)
    return torch.where(time > starts[-1], nodes[-1][1][0], value)


def ramp(begin: float, end: float, time: Tensor) -> Tensor:
    """From 0 at the time begin to 1 at end, at rest at both, (T,) -> (T,)."""
    return quintic_chain([(begin, (0.0, 0.0, 0.0)), (end, (1.0, 0.0, 0.0))], time)


def spline(keys: list[tuple[float, float]], time: Tensor) -> Tensor:
    """Cubic spline with continuous acceleration through (time, value) keys, at rest at both ends; (T,) ->
    (T,).

    Held before the first key and after the last.
    """
    knots = torch.tensor([at for at, _ in keys], dtype=time.dtype)
    values = torch.tensor([value for _, value in keys], dtype=time.dtype)
    slopes = _spline_slopes(knots, values)
    time = time.clamp(float(knots[0]), float(knots[-1]))
    piece = (torch.searchsorted(knots, time, right=True) - 1).clamp(0, len(keys) - 2)
    width = knots[piece + 1] - knots[piece]
    s = (time - knots[piece]) / width
    return (
        values[piece] * (1 + 2 * s) * (1 - s) ** 2
        + values[piece + 1] * s**2 * (3 - 2 * s)
        + width * slopes[piece] * s * (1 - s) ** 2
        - width * slopes[piece + 1] * s**2 * (1 - s)
    )


def _spline_slopes(knots: Tensor, values: Tensor) -> Tensor:
    """Slopes at the knots that make the second derivative continuous, zero at both ends."""
    count = len(knots)
    matrix = torch.eye(count, dtype=knots.dtype)
    right = torch.zeros(count, dtype=knots.dtype)
    width = knots.diff()
    rise = values.diff() / width
    for i in range(1, count - 1):
        matrix[i, i - 1 : i + 2] = torch.stack((width[i], 2 * (width[i - 1] + width[i]), width[i - 1]))
        right[i] = 3 * (width[i] * rise[i - 1] + width[i - 1] * rise[i])
    return torch.linalg.solve(matrix, right)
