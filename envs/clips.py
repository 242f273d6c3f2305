"""The clips that an environment follows."""

from pathlib import Path

import torch

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig
from hoigym.motions.clip import Clip
from hoigym.motions.demo import CLIP_DIR
from hoigym.motions.formats import load_clips
from hoigym.motions.library import MotionLibrary


def load_library(config: EnvConfig, device: torch.device) -> MotionLibrary:
    """The clips of config.motion_file, or the bundled ones; raises ClipError for bad ones."""
    clips = load_clips(Path(config.motion_file)) if config.motion_file else _demo_clips(config)
    return MotionLibrary(clips, device=device, body_positions=config.body_positions)


def _demo_clips(config: EnvConfig) -> list[Clip]:
    """The bundled clips that suit the scene: those with an object where it has one, those without where not."""
    without = not config.scene.objects
    return [clip for clip in load_clips(CLIP_DIR) if (clip.skill in config.without_object) == without]


def check_library(config: EnvConfig, library: MotionLibrary) -> None:
    """Raises UserError where the clips do not suit the scene."""
    scene = config.scene
    if library.skeleton.name != scene.skeleton:
        raise UserError(
            f"motion_file: clips of the {library.skeleton.name} skeleton, but scene.skeleton is {scene.skeleton}"
        )
    if library.fps != scene.control_hz:
        raise UserError(f"motion_file: clips at {library.fps:g} Hz, but scene.control_hz is {scene.control_hz}")
    if library.num_objects < len(scene.objects):
        raise UserError(
            f"motion_file: clips with {library.num_objects} objects, but the scene has {len(scene.objects)}"
        )
    if config.object_slots < len(scene.objects):
        raise UserError(f"object_slots {config.object_slots}: the scene has {len(scene.objects)} objects")
