"""The contact strip as it stands in a page: label above, measured below, and where we are."""

import numpy as np

from viewer.overlay import LABEL_ON, OFF, TOUCH_ON, runs

_WIDTH, _LANE, _GAP = 1000, 60, 20  # drawing units


def strip_html(on: np.ndarray, now: float) -> str:
    """The strip of contact on (2, T) bool, with a mark at step `now`."""
    steps = max(on.shape[1], 1)
    lanes = "".join(_lane(row, on[row], steps, colour) for row, colour in enumerate((LABEL_ON, TOUCH_ON)))
    height = 2 * _LANE + _GAP
    mark = _WIDTH * min(max(now, 0.0), steps) / steps
    return (
        '<div style="padding:0.2em 0.6em;font-size:0.8em;line-height:1.4">'
        f"<span style='color:{_css(LABEL_ON)}'>\u25a0</span> contact by label &nbsp;"
        f"<span style='color:{_css(TOUCH_ON)}'>\u25a0</span> measured"
        f'<svg class="contact-strip" viewBox="0 0 {_WIDTH} {height}" preserveAspectRatio="none" '
        f'style="width:100%;height:2.4em;display:block">{lanes}'
        f'<rect x="{mark - 2:.1f}" y="0" width="4" height="{height}" fill="#141a22"/></svg></div>'
    )


def _lane(row: int, on: np.ndarray, steps: int, colour: tuple[int, int, int]) -> str:
    top = row * (_LANE + _GAP)
    bars = [f'<rect x="0" y="{top}" width="{_WIDTH}" height="{_LANE}" fill="{_css(OFF)}"/>']
    for start, end in runs(on):
        left, width = _WIDTH * start / steps, _WIDTH * (end - start) / steps
        bars.append(f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_LANE}" fill="{_css(colour)}"/>')
    return "".join(bars)


def _css(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
