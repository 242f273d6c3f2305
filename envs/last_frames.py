"""The last frames of every row, kept so that one that blew up can be looked at."""

from pathlib import Path

import torch
from torch import Tensor

from hoigym.motions.clip import MIN_FRAMES, Clip
from hoigym.motions.formats import save_clip
from hoigym.motions.rotations import quat_to_exp
from hoigym.sim.base import SimState, Simulator

MOST_FILES = 5
"""Of one folder: they are examples, not statistics."""
_STATE = ("root_pos", "root_quat", "joint_rot", "object_pos", "object_quat")
_VELOCITIES = ("root_lin_vel", "root_ang_vel", "joint_vel", "object_lin_vel", "object_ang_vel")


class LastFrames:
    """A ring of the states that control steps began in, and of the drive targets given there.

    When a row diverges its ring stops, until `save` has read it; what is done in a step never waits for the
    device. Memory: about 500 numbers a row and frame, .5 GB for 4,096 rows and 60 frames.

    Args:
        sim: whose rows to watch.
        frames: to keep of each row, 1 or more.
    """

    def __init__(self, sim: Simulator, frames: int) -> None:
        self._state, self._frames, self._scene = sim.state, frames, sim.scene
        self._shapes = {name: getattr(sim.state, name).shape[1:] for name in (*_STATE, *_VELOCITIES)}
        self._shapes |= {"joint_target": self._shapes["joint_rot"], "contact": torch.Size((sim.scene.num_objects,))}
        width = sum(shape.numel() for shape in self._shapes.values())
        self._ring = torch.zeros(self._frames, sim.num_envs, width, device=sim.device)
        self._cursor = torch.zeros(1, dtype=torch.long, device=sim.device)
        self._stopped, self._newest, self._count, self._skill = (
            torch.zeros(sim.num_envs, dtype=torch.long, device=sim.device) for _ in range(4)
        )

    def record(self, joint_target: Tensor) -> None:
        """The present state of every row, before the step under the drive targets (N, J, 3) [rad]."""
        state: SimState = self._state
        parts = [getattr(state, name) for name in (*_STATE, *_VELOCITIES)]
        parts += [joint_target, state.object_contact.any(1)]
        frame = torch.cat([part.flatten(1) for part in parts], dim=1)
        kept = torch.where(self._stopped[:, None] > 0, self._ring[self._cursor], frame)
        self._ring.index_copy_(0, self._cursor, kept)
        self._cursor.add_(1).remainder_(self._frames)

    def note(self, diverged: Tensor, progress: Tensor, skill: Tensor) -> None:
        """Stops the rows that diverged (N,) in the step recorded last, the progress-th (N,) of their episodes."""
        fresh = diverged & (self._stopped == 0)
        self._newest.copy_(torch.where(fresh, (self._cursor - 1) % self._frames, self._newest))
        self._count.copy_(torch.where(fresh, progress.clamp_max(self._frames), self._count))
        self._skill.copy_(torch.where(fresh, skill, self._skill))
        self._stopped.masked_fill_(diverged, 1)

    def save(self, folder: Path, name: str) -> list[Path]:
        """Writes clips of rows that were stopped, as `folder/NNN_name_row_ROW.npz`, and lets all go on.

        Those of their last episode only, NNN being the skill; beside the clip's own entries the files hold the
        velocities and drive targets. Nothing once the folder holds `MOST_FILES` of them. It waits for the device.
        """
        written = []
        here = len(list(folder.glob("*.npz"))) if folder.is_dir() else 0
        rows = self._stopped.nonzero()[: max(0, MOST_FILES - here), 0].tolist()
        for row in rows:
            folder.mkdir(parents=True, exist_ok=True)
            skill = int(self._skill[row])
            path = folder / f"{skill:03d}_{name}_row_{row}.npz"
            self._write(row, skill, path)
            written.append(path)
        self._stopped.zero_()
        return written

    def _write(self, row: int, skill: int, path: Path) -> None:
        count = int(self._count[row])
        order = (int(self._newest[row]) - count + 1 + torch.arange(count)) % self._frames
        table = self._ring[order.to(self._ring.device), row].cpu()
        sizes = [shape.numel() for shape in self._shapes.values()]
        values = {
            name: part.view(count, *shape)
            for (name, shape), part in zip(self._shapes.items(), table.split(sizes, 1), strict=True)
        }
        # A clip has a few frames at least; one that blew up sooner stands still first.
        repeat = torch.arange(min(0, count - MIN_FRAMES), count).clamp_min(0)
        arrays = {name: value[repeat].numpy() for name, value in values.items()}
        clip = Clip(
            name=path.stem,
            skill=skill,
            skeleton=self._scene.skeleton.name,
            fps=float(self._scene.config.control_hz),
            root_pos=arrays["root_pos"],
            root_rot=quat_to_exp(values["root_quat"][repeat]).numpy(),
            joint_rot=arrays["joint_rot"],
            body_pos=None,
            object_pos=arrays["object_pos"],
            object_rot=quat_to_exp(values["object_quat"][repeat]).numpy(),
            contact=arrays["contact"],
        )
        save_clip(clip, path, {name: arrays[name] for name in (*_VELOCITIES, "joint_target")})
