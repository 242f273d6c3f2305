"""What a table of conditions is compared with: the same table spoilt on purpose, and labels that know the phase.

A policy that does as well with shuffled vectors ignores them; one that does as well with clip means or with a label and
the phase needs nothing that only an embedding has.
"""

import torch
from torch import Tensor
from torch.nn import functional

from motions.clip import NUM_SKILLS
from motions.library import MotionLibrary


def clip_means(values: Tensor, library: MotionLibrary) -> Tensor:
    """Every frame gets the mean of its clip, (V, F, W): which clip it is stays, what happens now does not."""
    clip = library.frame_clip.to(values.device)
    sums = torch.zeros(values.shape[0], library.num_clips, values.shape[2], device=values.device)
    sums.index_add_(1, clip, values)
    return (sums / library.clip_length.to(values.device)[:, None])[:, clip]


def shuffle_clips(values: Tensor, library: MotionLibrary, seed: int) -> Tensor:
    """Every clip gets the vectors of a clip of another skill, stretched to its length, (V, F, W).

    Where a library has one skill only, any other clip serves; where it has one clip only, its frames change places.
    """
    generator = torch.Generator().manual_seed(seed)
    if library.num_clips == 1:
        return values[:, torch.randperm(library.num_frames, generator=generator)]
    skill, length = library.clip_skill.tolist(), library.clip_length.tolist()
    row = []
    for clip, frames in enumerate(length):
        others = [other for other in range(len(length)) if skill[other] != skill[clip]]
        others = others or [other for other in range(len(length)) if other != clip]
        other = others[int(torch.randint(len(others), (), generator=generator))]
        phase = torch.arange(frames) * length[other] // frames
        row.append(int(library.clip_start[other]) + phase)
    return values[:, torch.cat(row)]


def label_phase(library: MotionLibrary) -> Tensor:
    """One-hot of the clip's skill and the fraction of the clip that is over, 0 .. 1, (1, F, 65)."""
    clip = library.frame_clip
    frame = torch.arange(library.num_frames, device=library.device) - library.clip_start[clip]
    phase = frame / (library.clip_length[clip] - 1).clamp_min(1)
    label = functional.one_hot(library.frame_skill, NUM_SKILLS).float()
    return torch.cat([label, phase[:, None]], dim=1)[None]
