"""What each task mode shows to the model, and what it asks of it."""

from dataclasses import dataclass
from typing import Literal

from conditioners.uva.config import MODE_NAMES, Mode


@dataclass(frozen=True)
class ModeSpec:
    """One task mode. future: hidden, masked (some tokens shown) or shown in full."""

    history: bool
    future: Literal["hidden", "masked", "shown"]
    action: bool
    predicts_video: bool
    predicts_action: bool


MODES: dict[Mode, ModeSpec] = {
    "policy_model": ModeSpec(True, "hidden", False, False, True),
    "video_model": ModeSpec(True, "masked", False, True, False),
    "dynamic_model": ModeSpec(True, "masked", True, True, False),
    # The published inverse model hides the past: it sees nothing but the four future frames.
    "inverse_model": ModeSpec(False, "shown", False, False, True),
    "full_dynamic_model": ModeSpec(True, "masked", False, True, True),
}
assert tuple(MODES) == MODE_NAMES
