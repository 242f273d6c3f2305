"""What stands at the top of a panel."""

from html import escape

from viewer.base import Moment


def head_html(moment: Moment, line: str) -> str:
    """Skill and caption of a moment, and a line of one's own; names are those of files, and may hold anything."""
    return (
        '<div style="padding:0.2em 0.6em;overflow-wrap:anywhere">'
        f'<div style="font-size:1.4em;font-weight:600">{escape(moment.skill)}</div>'
        f'<div style="font-size:0.85em">{escape(moment.caption)}</div>'
        f'<div style="font-size:0.85em">{escape(line)}</div></div>'
    )
