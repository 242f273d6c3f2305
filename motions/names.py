"""Names that a user got wrong."""

import difflib
from collections.abc import Iterable


def nearest(name: str, candidates: Iterable[str]) -> str:
    """The candidate most like name; the last part of a dotted key counts as much as the whole."""

    def likeness(candidate: str) -> float:
        whole = difflib.SequenceMatcher(None, name, candidate).ratio()
        last = difflib.SequenceMatcher(None, name.split(".")[-1], candidate.split(".")[-1]).ratio()
        return max(whole, last) + 0.1 * min(whole, last)

    return max(sorted(candidates), key=likeness)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """An unknown name, the nearest one and all there are."""
    known = sorted(known)
    return f"unknown {kind} '{name}'; the nearest is '{nearest(name, known)}' of {', '.join(known)}"
