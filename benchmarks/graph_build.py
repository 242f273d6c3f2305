"""Cost of building the trajectory graph: against a straightforward loop, and as frames grow.

    python -m hoigym.benchmarks.graph_build --motions DIR [--body-positions stored] [--scales 1 4 16 26]

The loop compares one frame with one candidate at a time, in NumPy. Both run in this process on the same
clips and must find the same links. For the growth the clips are repeated with moved roots and jittered
joints.
"""

import argparse
import dataclasses
import resource
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hoigym.motions.clip import Clip
from hoigym.motions.demo import CLIP_DIR
from hoigym.motions.formats import load_clips
from hoigym.motions.graph import GraphSettings, TrajectoryGraph
from hoigym.motions.graph_build import MIN_SIMILARITY, build_graph, published_settings
from hoigym.motions.library import MotionLibrary
from hoigym.motions.similarity import SimilarityWeights


class Loop:
    """The same algorithm, a pair at a time."""

    def __init__(self, library: MotionLibrary, settings: GraphSettings) -> None:
        frames = library.reference(torch.arange(library.num_frames))
        key = list(library.skeleton.key_bodies)
        self.root = frames.root_pos.numpy()
        w, x, y, z = frames.root_quat.numpy().T
        self.yaw = np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))
        angle = np.linalg.norm(frames.joint_rot.numpy(), axis=-1, keepdims=True)
        axis = frames.joint_rot.numpy() / np.maximum(angle, 1e-12)
        self.joints = np.concatenate((np.cos(angle / 2), axis * np.sin(angle / 2)), axis=-1)
        self.key_pos, self.key_vel = frames.body_pos.numpy()[:, key], frames.body_lin_vel.numpy()[:, key]
        self.object_pos, self.object_vel = frames.object_pos.numpy(), frames.object_lin_vel.numpy()
        self.starts, self.lengths = library.clip_start.tolist(), library.clip_length.tolist()
        self.skills, self.valid = library.clip_skill.tolist(), library.valid.numpy()
        self.settings = settings

    def links(self) -> dict[tuple[int, int, int], tuple[int, int, float]]:
        """(clip, frame, other skill) -> (clip, frame, similarity)."""
        found = {}
        for clip, start in enumerate(self.starts):
            for frame in range(self.lengths[clip]):
                for skill in sorted(set(self.skills) - {self.skills[clip]}):
                    best = self.best(start + frame, self.skills[clip], skill)
                    if best[2] >= MIN_SIMILARITY:
                        found[clip, frame, skill] = best
        return found

    def best(self, source: int, source_skill: int, skill: int) -> tuple[int, int, float]:
        objectless = source_skill in self.settings.objectless_skills
        weights = self.settings.objectless_weights if objectless else self.settings.weights
        best = (-1, -1, 0.0)
        for clip, start in enumerate(self.starts):
            if self.skills[clip] != skill:
                continue
            for frame in range(2, self.lengths[clip] - 1):
                if self.valid[source] and self.valid[start + frame]:
                    similarity = self.similarity(source, start + frame, weights)
                    if similarity > best[2]:
                        best = (clip, frame, similarity)
        return best

    def similarity(self, a: int, b: int, weights: SimilarityWeights) -> float:
        turn = self.yaw[a] - self.yaw[b]
        c, s = np.cos(turn), np.sin(turn)
        rotation = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        shift = np.array([self.root[a, 0], self.root[a, 1], 0.0])
        origin = np.array([self.root[b, 0], self.root[b, 1], 0.0])
        key_pos = (self.key_pos[b] - origin) @ rotation + shift
        object_pos = (self.object_pos[b] - origin) @ rotation + shift
        key_vel, object_vel = self.key_vel[b] @ rotation, self.object_vel[b] @ rotation
        from_object = self.key_pos[a][:, None] - self.object_pos[a]
        dots = np.abs((self.joints[a] * self.joints[b]).sum(-1))
        angles = 2 * np.arccos(np.minimum(dots, 1.0))
        cost = (
            weights.key_pos * np.mean((self.key_pos[a] - key_pos) ** 2)
            + weights.key_vel * np.mean((self.key_vel[a] - key_vel) ** 2)
            + weights.joint_rot * np.mean(angles**2)
            + weights.root_height * (self.root[a, 2] - self.root[b, 2]) ** 2
        )
        if self.object_pos.shape[1]:
            cost += (
                weights.object_pos * np.mean((self.object_pos[a] - object_pos) ** 2)
                + weights.object_vel * np.mean((self.object_vel[a] - object_vel) ** 2)
                + weights.key_to_object * np.mean((from_object - (key_pos[:, None] - object_pos)) ** 2)
            )
        return float(np.exp(-cost))


def against_loop(clips: Sequence[Clip], settings: GraphSettings) -> None:
    """Times both and compares their links."""
    build_graph(clips, settings)  # first use of each kernel
    seconds, spent, graph = _timed(lambda: build_graph(clips, settings))
    loop = Loop(MotionLibrary(clips, body_positions=settings.body_positions), settings)
    loop_seconds, loop_spent, links = _timed(loop.links)
    differing, worst = _compare(graph, links)
    print(f"{len(graph.similarity)} frames, {graph.num_links} links, loop {len(links)}, {differing} differ,")
    print(f"similarity within {worst:.1e} relative")
    print(f"loop {loop_seconds:.2f} s, batched {seconds:.3f} s: {loop_seconds / seconds:.0f} times faster")
    print(f"processor time {loop_spent:.2f} s, {spent:.3f} s: {loop_spent / spent:.0f} times less")


def growth(clips: Sequence[Clip], settings: GraphSettings, scales: Sequence[int], device: str) -> None:
    """Times the batched build on more and more frames; peak memory is that of the process so far."""
    print("frames   links  seconds  processor seconds  microseconds/frame  peak memory [GiB]")
    for scale in scales:
        many = _repeated(clips, scale)
        seconds, spent, graph = _timed(lambda many=many: build_graph(many, settings, device))
        frames = len(graph.similarity)
        per_frame = f"{seconds / frames * 1e6:.0f}"
        row = f"{frames:6d} {graph.num_links:7d} {seconds:8.2f} {spent:18.2f} {per_frame:>19}"
        print(f"{row} {_peak(device):18.2f}", flush=True)


def _repeated(clips: Sequence[Clip], scale: int) -> list[Clip]:
    rng = np.random.default_rng(0)
    many = list(clips)
    for copy in range(1, scale):
        many += [_jittered(clip, f"{clip.name}_{copy}", rng) for clip in clips]
    return many


def _jittered(clip: Clip, name: str, rng: np.random.Generator) -> Clip:
    """The clip elsewhere, joints and objects off by a few hundredths, constant over the clip."""
    move = np.append(rng.uniform(-3, 3, 2), 0).astype(np.float32)
    joint_rot = clip.joint_rot + rng.normal(0, 0.03, clip.joint_rot.shape[1:]).astype(np.float32)
    object_pos = clip.object_pos + move + rng.normal(0, 0.03, 3).astype(np.float32)
    body_pos = None if clip.body_pos is None else clip.body_pos + move
    return dataclasses.replace(
        clip,
        name=name,
        root_pos=clip.root_pos + move,
        joint_rot=joint_rot,
        body_pos=body_pos,
        object_pos=object_pos,
    )


def _compare(graph: TrajectoryGraph, links: dict[tuple[int, int, int], tuple[int, int, float]]) -> tuple[int, float]:
    """Number of the loop's links that the graph lacks, and the largest relative difference of the rest."""
    differing, worst = 0, 0.0
    for (clip, frame, skill), (other, where, similarity) in links.items():
        found = graph.links(torch.tensor(clip), torch.tensor(frame))
        same = graph.clip_skill[found.clip] == skill
        same &= found.clip >= 0
        slot = int(same.long().argmax())
        if not same.any() or (int(found.clip[slot]), int(found.frame[slot])) != (other, where):
            differing += 1
            continue
        worst = max(worst, abs(float(found.similarity[slot]) - similarity) / similarity)
    return differing, worst


def _timed(function):
    start, spent = time.perf_counter(), time.process_time()
    result = function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - spent, result


def _peak(device: str) -> float:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of building the trajectory graph.")
    parser.add_argument("--motions", type=Path, help="clip directory; the demo clips if left out")
    parser.add_argument("--body-positions", choices=("kinematics", "stored"), default="kinematics")
    parser.add_argument("--scales", type=int, nargs="*", default=[1, 4, 16], help="copies of the clips")
    parser.add_argument("--device", default="cpu", help="of the growth; the loop runs on the CPU")
    options = parser.parse_args()
    clips = load_clips(options.motions or CLIP_DIR)
    settings = published_settings(clips[0].skeleton, body_positions=options.body_positions)
    print(f"{len(clips)} clips, {torch.get_num_threads()} threads, device of the growth: {options.device}")
    if options.scales:
        growth(clips, settings, options.scales, options.device)
    against_loop(clips, settings)


if __name__ == "__main__":
    main()
