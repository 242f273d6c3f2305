"""Search for the most similar frame of a clip with as much work for every clip, so that nobody waits for a count."""

from dataclasses import dataclass

import torch
from torch import Tensor

from motions.similarity import Features, squared_angles

# Bytes that the comparison may take at a time, about.
_MEMORY = 2**30


@dataclass(frozen=True)
class PaddedClips:
    """Frames of M clips, one clip after another.

    first, count: (M,) long, a clip's place in the table and how many frames it has there, maybe none.
    frame: (F,) long, their place in the clip. poses: F of them. longest: the largest count.
    """

    first: Tensor
    count: Tensor
    frame: Tensor
    poses: Features
    longest: int

    @staticmethod
    def of(frames: list[Tensor], poses: list[Features]) -> "PaddedClips":
        """From the frames (T,) and the poses (T of them) of every clip; some clip must have a frame."""
        counts = [len(frame) for frame in frames]
        count = torch.tensor(counts, device=frames[0].device)
        joined = Features(
            linear=torch.cat([part.linear for part in poses if len(part)]),
            quat=torch.cat([part.quat for part in poses if len(part)]),
            angle_weight=next(part for part in poses if len(part)).angle_weight,
        )
        return PaddedClips(count.cumsum(0) - count, count, torch.cat(frames), joined, max(counts))

    def nearest(self, clip: Tensor, query: Features) -> tuple[Tensor, Tensor]:
        """Frame (R,) of lowest cost of the clips (R,) for each of R poses, and the cost (R,) float64.

        -1 and infinity where the clip has no frame here.
        """
        places, costs = [], []
        numbers = query.linear.shape[1] + 3 * query.quat.shape[1] * query.quat.shape[2]
        rows = max(1, _MEMORY // (8 * numbers * self.longest))
        for part in torch.arange(len(clip), device=clip.device).split(rows):
            place, cost = self._nearest(clip[part], query[part])
            places.append(place)
            costs.append(cost)
        none = self.count[clip] == 0
        frame = self.frame[torch.cat(places)].masked_fill(none, -1)
        return frame, torch.cat(costs).masked_fill(none, torch.inf)

    def _nearest(self, clip: Tensor, query: Features) -> tuple[Tensor, Tensor]:
        """Place (R,) in the table, and cost; anything where the clip has no frame."""
        step = torch.arange(self.longest, device=clip.device)
        last = (self.count[clip] - 1).clamp_min(0)[:, None]
        place = (self.first[clip][:, None] + torch.minimum(step, last)).clamp_max(len(self.frame) - 1)
        linear = (query.linear[:, None] - self.poses.linear[place]).square().sum(-1)
        angles = squared_angles(query.quat[:, None], self.poses.quat[place]) @ query.angle_weight
        cost, slot = (linear + angles).min(1)
        return place.gather(1, slot[:, None])[:, 0], cost
