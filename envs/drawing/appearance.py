"""How the drawn humanoid and its surroundings look; embodiments that look unlike each other.

A representation of motion should not depend on any of this, which is what the differing embodiments test.
"""

import colorsys
from dataclasses import dataclass, field, replace

import numpy as np

from envs.drawing.look import BODY, FLOOR, HAND, HORIZON, OBJECTS, ZENITH, Colour


@dataclass(frozen=True)
class Proportions:
    """Factors of bone lengths and of the radii around them; 1 is the skeleton's own."""

    leg: float = 1.0
    arm: float = 1.0
    trunk: float = 1.0
    head: float = 1.0
    thickness: float = 1.0


@dataclass(frozen=True)
class Appearance:
    """Colours (red, green, blue in 0 .. 1), light and proportions of a picture.

    body: trunk, head and arms; legs; hands. ball: of the first object. floor: the two colours of the chequers.
    light: brightness, 1 is usual; sun: how far round the light comes, from where it usually is [degrees].
    """

    body: Colour = BODY
    legs: Colour = BODY
    hands: Colour = HAND
    ball: Colour = OBJECTS[0]
    floor: tuple[Colour, Colour] = FLOOR
    horizon: Colour = HORIZON
    zenith: Colour = ZENITH
    light: float = 1.0
    sun: float = 0.0
    proportions: Proportions = field(default_factory=Proportions)


EMBODIMENTS: dict[str, Appearance] = {
    "A": Appearance(),
    "B": Appearance(
        body=(0.20, 0.33, 0.55),
        legs=(0.13, 0.15, 0.22),
        hands=(0.75, 0.66, 0.30),
        ball=(0.85, 0.20, 0.25),
        floor=((0.55, 0.60, 0.52), (0.45, 0.50, 0.43)),
        horizon=(0.75, 0.78, 0.74),
        zenith=(0.55, 0.60, 0.62),
        proportions=Proportions(leg=1.10, arm=1.12, trunk=0.92, head=0.9, thickness=0.8),
    ),
    "C": Appearance(
        body=(0.72, 0.25, 0.16),
        legs=(0.90, 0.78, 0.25),
        hands=(0.20, 0.60, 0.30),
        ball=(0.25, 0.55, 0.90),
        floor=((0.42, 0.32, 0.24), (0.34, 0.25, 0.18)),
        horizon=(0.55, 0.48, 0.45),
        zenith=(0.25, 0.22, 0.30),
        light=0.9,
        proportions=Proportions(leg=0.82, arm=0.92, trunk=1.08, head=1.35, thickness=1.45),
    ),
}
"""A is drawn like everything else here; C is meant for tests alone."""


def random_colours(look: Appearance, rng: np.random.Generator) -> Appearance:
    """The appearance with every colour, the light and its direction drawn anew; proportions stay."""
    hue, lightness = rng.uniform(), rng.uniform(0.25, 0.85)
    tile = _colour(hue, lightness, rng.uniform(0.0, 0.5))
    body = _colour(rng.uniform(), rng.uniform(0.15, 0.9), rng.uniform(0.1, 0.9))
    return replace(
        look,
        body=body,
        legs=_colour(rng.uniform(), rng.uniform(0.15, 0.9), rng.uniform(0.1, 0.9)) if rng.uniform() < 0.6 else body,
        hands=_colour(rng.uniform(), rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.9)),
        ball=_colour(rng.uniform(), rng.uniform(0.3, 0.7), rng.uniform(0.3, 1.0)),
        floor=(tile, _shaded(tile, rng.uniform(0.7, 1.0))),
        horizon=_colour(rng.uniform(), rng.uniform(0.3, 0.95), rng.uniform(0.0, 0.4)),
        zenith=_colour(rng.uniform(), rng.uniform(0.2, 0.8), rng.uniform(0.0, 0.6)),
        light=float(rng.uniform(0.7, 1.2)),
        sun=float(rng.uniform(-90.0, 90.0)),
    )


def jittered(look: Appearance, rng: np.random.Generator, share: float = 0.06) -> Appearance:
    """The appearance with every proportion changed by up to the share."""
    values = {name: value * float(rng.uniform(1 - share, 1 + share)) for name, value in vars(look.proportions).items()}
    return replace(look, proportions=Proportions(**values))


def _colour(hue: float, lightness: float, saturation: float) -> Colour:
    return colorsys.hls_to_rgb(hue, lightness, saturation)


def _shaded(colour: Colour, share: float) -> Colour:
    red, green, blue = (float(share * value) for value in colour)
    return red, green, blue
