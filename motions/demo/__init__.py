"""Demo clips: simple motions computed by this package, kept as files in `clips/`."""

from pathlib import Path

from hoigym.motions.clip import Clip
from hoigym.motions.demo.dribble import dribble_on_the_spot, dribble_walking
from hoigym.motions.demo.gait import walk
from hoigym.motions.demo.getup import get_up
from hoigym.motions.demo.pickup import pick_up

CLIP_DIR = Path(__file__).parent / "clips"


def synthesise() -> list[Clip]:
    """Computes the demo clips anew, in the order of their files."""
    return [walk(), dribble_on_the_spot(), dribble_walking(), pick_up(), get_up()]
