"""How far the neighbour search moves the start frame, with and without the slip of the released code.

    python -m hoigym.benchmarks.neighbour_search --motions DIR [--picture PATH]

The slip: where the intended formula has the mean squared difference of key-body positions, MSE(p - r), the
released SkillMimic-V2 code has the norm ||p - r^2||. Both formulas see the same noisy states with their true
key-body positions. Noise "no root": joint angles, height and velocity of the object only, as the comparison
is known from elsewhere; "full": the noise that episodes start with.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hoigym.motions.demo import CLIP_DIR
from hoigym.motions.formats import load_clips
from hoigym.motions.graph import buffer_frames
from hoigym.motions.kinematics import key_body_motion
from hoigym.motions.library import MotionLibrary
from hoigym.motions.neighbour import NOISE, NeighbourSearch, perturb
from hoigym.motions.rotations import exp_to_quat, quat_conj, quat_mul
from hoigym.motions.skill_set import load_skill_set
from hoigym.motions.state import MotionState

OBJECTLESS_SKILLS = load_skill_set("mocap").objectless
# The released code does not wait at all above this similarity.
_NO_WAIT = 0.5


def start_states(library: MotionLibrary, repeats: int) -> tuple[Tensor, Tensor, MotionState]:
    """Clip, frame and state of every frame that an episode can start at, repeats times over."""
    rows = torch.arange(library.num_frames)
    clip = library.frame_clip
    frame = rows - library.clip_start[clip]
    usable = library.valid & (frame >= 2) & (frame <= library.clip_length[clip] - 2)
    usable &= ~torch.isin(library.frame_skill, torch.tensor(OBJECTLESS_SKILLS))
    rows = rows[usable].repeat(repeats)
    return clip[rows], frame[rows], MotionState.of(library.reference(rows))


def without_root_noise(state: MotionState, generator: torch.Generator) -> MotionState:
    """Noise on joint angles, object height and object velocity."""
    noisy = perturb(state, torch.zeros(len(state.root_pos), dtype=torch.bool), generator)
    of_interest = ("joint_rot", "object_pos", "object_lin_vel")
    return dataclasses.replace(state, **{name: getattr(noisy, name) for name in of_interest})


def with_slip(library: MotionLibrary, clip: Tensor, state: MotionState) -> tuple[Tensor, Tensor]:
    """Frame (R,) and similarity (R,) that the formula with the slip gives."""
    frame, similarity = torch.zeros_like(clip), torch.zeros(len(clip))
    for index in clip.unique().tolist():
        rows = (clip == index).nonzero().squeeze(1)
        start, length = int(library.clip_start[index]), int(library.clip_length[index])
        reference = MotionState.of(library.reference(torch.arange(start, start + length)))
        cost = slip_cost(library, state[rows], reference)
        frame[rows] = 2 + cost[:, 2:-1].argmin(1)
        similarity[rows] = torch.exp(-cost.min(1).values)  # over all frames, the excluded ones too
    return frame, similarity


def slip_cost(library: MotionLibrary, state: MotionState, reference: MotionState) -> Tensor:
    """Cost (R, T) of R states against T frames."""
    pos, vel = key_body_motion(library.skeleton, state)
    ref_pos, ref_vel = key_body_motion(library.skeleton, reference)
    key_pos = (pos[:, None] - ref_pos[None] ** 2).flatten(2).norm(dim=2)
    from_object, ref_from_object = pos - state.object_pos, ref_pos - reference.object_pos
    return (
        2.0 * key_pos
        + 0.1 * mean_square(vel, ref_vel)
        + 2.0 * angles(state.root_quat[:, None], reference.root_quat[:, None])
        + 2.0 * angles(exp_to_quat(state.joint_rot), exp_to_quat(reference.joint_rot))
        + mean_square(state.object_pos, reference.object_pos)
        + 0.1 * mean_square(state.object_lin_vel, reference.object_lin_vel)
        + 2.0 * mean_square(from_object, ref_from_object)
    )


def mean_square(a: Tensor, b: Tensor) -> Tensor:
    return (a[:, None] - b[None]).square().flatten(2).mean(2)


def angles(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared angle of (R, Q, 4) against (T, Q, 4): (R, T)."""
    between = quat_mul(quat_conj(a)[:, None], b[None])
    return (2 * torch.acos(between[..., 0].abs().clamp_max(1.0))).square().mean(2)


def report(name: str, moved: Tensor, wait: Tensor) -> None:
    """One line: how far the frame moves, how long the reference waits."""
    moved = moved.abs().double()
    usual = int(wait.mode().values)
    print(
        f"{name:22} moves mean {moved.mean():5.2f}, median {moved.median():2.0f},"
        f" 95 % {moved.quantile(0.95):2.0f} frames; waits mean {wait.double().mean():4.2f},"
        f" most often {usual} ({_share(wait == usual)}), 8 or more {_share(wait >= 8)}"
    )


def _share(values: Tensor) -> str:
    return f"{values.double().mean():.0%}"


def displacement(library: MotionLibrary, repeats: int) -> dict[str, Tensor]:
    """Prints both formulas under both noises; returns the moves [frames] (R,) of each under full noise."""
    clip, frame, state = start_states(library, repeats)
    search = NeighbourSearch(library, state.object_pos.shape[1], OBJECTLESS_SKILLS)
    upright = torch.zeros(len(clip), dtype=torch.bool)
    moved = {}
    print(f"{len(clip)} starts, noise {NOISE}")
    for noise, noisy in (
        ("no root", without_root_noise(state, torch.Generator().manual_seed(0))),
        ("full", perturb(state, upright, torch.Generator().manual_seed(0))),
    ):
        found = search.find(clip, noisy)
        wrong, similarity = with_slip(library, clip, noisy)
        published_wait = torch.where(similarity > _NO_WAIT, 0, buffer_frames(similarity))
        published_wait = torch.where(similarity < 1e-30, 10, published_wait)
        moved = {"intended": found.frame - frame, "with the slip": wrong - frame}
        report(f"{noise}: intended", moved["intended"], buffer_frames(found.similarity))
        report(f"{noise}: with the slip", moved["with the slip"], published_wait)
        above = _share(found.similarity > _NO_WAIT)
        print(f"  similarity of the intended: median {found.similarity.median():.2f}, {above} above {_NO_WAIT}")
    return moved


def cost_of_reset(library: MotionLibrary, envs: int) -> None:
    """Time of noise and search when every environment is reset at once and all get noise."""
    clip, _, state = start_states(library, 2)
    rows = torch.randperm(len(clip), generator=torch.Generator().manual_seed(0))[:envs]
    clip, state = clip[rows], state[rows]
    search = NeighbourSearch(library, state.object_pos.shape[1], OBJECTLESS_SKILLS)
    generator = torch.Generator().manual_seed(0)
    upright = torch.zeros(len(clip), dtype=torch.bool)
    wall, processor = [], []
    for _ in range(30):
        start, spent = time.perf_counter(), time.process_time()
        search.find(clip, perturb(state, upright, generator))
        wall.append(1e3 * (time.perf_counter() - start))
        processor.append(1e3 * (time.process_time() - spent))
    print(f"noise and search for {len(clip)} states, {torch.get_num_threads()} threads:")
    print(f"wall time best {min(wall):.1f} ms, median {np.median(wall):.1f} ms; ", end="")
    print(f"processor time median {np.median(processor):.1f} ms")


def draw(moved: dict[str, Tensor], path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    bins = np.arange(-82.5, 83.0, 5).tolist()
    for (name, frames), colour in zip(moved.items(), ("#2a6f97", "#d1495b"), strict=True):
        shares = np.full(len(frames), 1 / len(frames))
        axes.hist(frames.numpy().clip(-80, 80), bins, weights=shares, alpha=0.75, color=colour, label=name)
    axes.set(xlabel="start frame moved by [frames]", ylabel="share of starts")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description="Effect and cost of the neighbour search.")
    parser.add_argument("--motions", type=Path, help="clip directory; the demo clips if left out")
    parser.add_argument("--repeats", type=int, default=5, help="noisy states of each frame")
    parser.add_argument("--envs", type=int, default=1024, help="states of the timing")
    parser.add_argument("--picture", type=Path, help="where to draw the histogram of displacements")
    options = parser.parse_args()
    library = MotionLibrary(load_clips(options.motions or CLIP_DIR))
    moved = displacement(library, options.repeats)
    if options.picture:
        draw(moved, options.picture)
    cost_of_reset(library, options.envs)


if __name__ == "__main__":
    main()
