"""Which pictures may be learned from, and which are held out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from conditioners.uniskill.store import Rendering

# Of several clips of a skill every third one is held out, at least one; of a single clip its end.
_EVERY = 3
_END = 0.35


@dataclass(frozen=True)
class Span:
    """Pictures [first, last) of a rendering, from which both pictures of a pair are taken."""

    rendering: Rendering
    first: int
    last: int


def split(renderings: Iterable[Rendering], part: Literal["train", "held_out", "all"]) -> list[Span]:
    """The spans of a part. The same clips are held out in every rendering of them, so no variant leaks.

    "all": whole renderings.
    """
    renderings = list(renderings)
    if part == "all":
        return [Span(one, 0, one.num_frames) for one in renderings]
    clips: dict[int, list[str]] = {}
    for name, skill in sorted({(one.clip, one.skill) for one in renderings}):
        clips.setdefault(skill, []).append(name)
    spans = [_span(one, clips[one.skill], part == "held_out") for one in renderings]
    return [span for span in spans if span.last - span.first > 1]


def _span(one: Rendering, siblings: list[str], held_out: bool) -> Span:
    if len(siblings) == 1:
        cut = round((1 - _END) * one.num_frames)
        return Span(one, cut, one.num_frames) if held_out else Span(one, 0, cut)
    # The last of every three, or of two, is held out.
    place = siblings.index(one.clip)
    out = place % _EVERY == _EVERY - 1 or (len(siblings) < _EVERY and place == len(siblings) - 1)
    return Span(one, 0, one.num_frames) if out == held_out else Span(one, 0, 0)
