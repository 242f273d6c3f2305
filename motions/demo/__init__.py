"""Demo clips: simple motions computed by this package, kept as files in `clips/`."""

from pathlib import Path

from motions.clip import Clip
from motions.demo.dribble import dribble_on_the_spot, dribble_walking
from motions.demo.getup import get_up
from motions.demo.pickup import pick_up
from motions.demo.walk import walk

CLIP_DIR = Path(__file__).parent / "clips"


def synthesise() -> list[Clip]:
    """Computes the demo clips anew, in the order of their files."""
    return [walk(), dribble_on_the_spot(), dribble_walking(), pick_up(), get_up()]
