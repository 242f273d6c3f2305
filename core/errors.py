"""Errors in one line: what a user got wrong, and the nearest valid name."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """One clear line about wrong input; the command line prints it and exits with status 2."""


def first_line(error: Exception) -> str:
    """What an error of another library says, in one line; its kind where it says nothing."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


# --- Names that a user got wrong ------------------------------------------------------------------------------------


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
