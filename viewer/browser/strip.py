"""Strips of time as they stand in a page: contact by label and measured, and the skill."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from viewer.overlay import LABEL_ON, OFF, TOUCH_ON, runs

_SKILL_COLOURS = ("#ffd8a8", "#b2f2bb", "#a5d8ff", "#eebefa", "#ffec99", "#c5f6fa", "#ffc9c9", "#d0bfff")


@dataclass(frozen=True)
class Bar:
    """From step start to before step end, with a word on it."""

    start: int
    end: int
    colour: str
    word: str = ""


@dataclass(frozen=True)
class Lane:
    """One strip and what it is called."""

    name: str
    bars: Sequence[Bar]


def contact_lanes(on: np.ndarray) -> list[Lane]:
    """Of contact (2, T) bool: by label, and measured."""
    names = (("contact, by its label", LABEL_ON), ("contact, measured", TOUCH_ON))
    return [
        Lane(name, [Bar(start, end, _css(colour)) for start, end in runs(row)])
        for row, (name, colour) in zip(on, names, strict=True)
    ]


def skill_lane(skills: np.ndarray, names: dict[int, str]) -> Lane:
    """Of skill ids (T,); -1 where there was none yet."""
    edges = [0, *(np.flatnonzero(np.diff(skills)) + 1).tolist(), len(skills)]
    bars = [
        Bar(start, end, _SKILL_COLOURS[skills[start] % len(_SKILL_COLOURS)], names.get(int(skills[start]), ""))
        for start, end in zip(edges[:-1], edges[1:], strict=True)
        if end > start and skills[start] >= 0
    ]
    return Lane("skill", bars)


def strips_html(lanes: Sequence[Lane], steps: int, now: float) -> str:
    """Lanes under each other over so many steps, with a mark at step `now`."""
    rows = "".join(_lane(lane, steps) for lane in lanes)
    mark = _percent(min(max(now, 0.0), steps), steps)
    return (
        f'<div class="strips" style="margin:0.3em 0.75em;position:relative;font-size:0.75em;line-height:1.3">{rows}'
        f'<div style="position:absolute;left:{mark};top:0;bottom:0;width:2px;background:#141a22"></div></div>'
    )


def _lane(lane: Lane, steps: int) -> str:
    bars = "".join(
        f'<div style="position:absolute;left:{_percent(bar.start, steps)};top:0;bottom:0;overflow:hidden;'
        f'white-space:nowrap;width:{_percent(bar.end - bar.start, steps)};background:{bar.colour}">{bar.word}</div>'
        for bar in lane.bars
    )
    return (
        f'<div>{lane.name}</div><div style="position:relative;height:1.3em;overflow:hidden;background:{_css(OFF)}">'
        f"{bars}</div>"
    )


def _percent(part: float, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.2f}%"


def _css(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
