"""Perturbation: boxes thrown at humanoids, and blows to the whole body."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hoigym.core.errors import UserError
from hoigym.motions.rotations import exp_to_quat
from hoigym.sim.base import Flight, Simulator
from hoigym.sim.env_ids import Rows


@dataclass(frozen=True)
class ThrowConfig:
    """Where boxes come from and how fast; the values of `--projtype Auto` of the SkillMimic-V2 release."""

    body: str = ""
    """What they are aimed at; the second body where empty: the left hip, or the base of the spine."""
    distance: tuple[float, float] = (4.0, 5.0)
    """From the root over the ground, drawn from this range [m]."""
    height: tuple[float, float] = (0.25, 2.0)
    """[m]"""
    speed: tuple[float, float] = (30.0, 40.0)
    """Relative to the target's motion over the ground [m/s]."""
    spread: float = 0.1
    """Standard deviation of the direction, as a share of its length, along each axis; at 4.5 m, 0.1 is 0.45 m."""

    def __post_init__(self) -> None:
        for name in ("distance", "height", "speed"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise UserError(f"throw.{name} [{low}, {high}]: expected two numbers above 0, the smaller one first")
        if not self.spread >= 0:
            raise UserError(f"throw.spread {self.spread}: expected 0 or more")


# --- Throws boxes at humanoids --------------------------------------------------------------------------------------


_GRAVITY = 9.81


class Thrower:
    """Throws the boxes of a simulation one after the other, each row's in turn.

    It has a random generator of its own: what an environment draws otherwise does not depend on throws. A throw
    draws numbers for every row, so what a row gets does not depend on which others are thrown at.
    """

    def __init__(self, sim: Simulator, config: ThrowConfig, seed: int):
        names = sim.scene.skeleton.body_names
        if config.body and config.body not in names:
            raise UserError(f"throw.body: no body '{config.body}'; there are {', '.join(names)}")
        self._sim, self._config = sim, config
        self._target = names.index(config.body) if config.body else 1
        self._generator = torch.Generator(sim.device)
        self._thrown = torch.zeros(sim.num_envs, dtype=torch.long, device=sim.device)
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Starts over."""
        self._generator.manual_seed(seed)
        self._thrown.zero_()

    def throw(self, selected: Tensor) -> None:
        """Launches the next box at each row where selected (N,) bool is set.

        Raises UserError where the scene has no boxes.
        """
        boxes = self._sim.scene.num_projectiles
        if boxes == 0:
            raise UserError("nothing to throw: the scene has no projectiles; set env.scene.projectiles.count")
        flight = self._draw()
        rows = Rows.of(selected)
        index = rows.index
        chosen = Flight(**{name: values[index] for name, values in vars(flight).items()})
        self._sim.launch(rows, self._thrown[index] % boxes, chosen)
        self._thrown += selected

    def state_dict(self) -> dict[str, Tensor]:
        """For an exact continuation; empty where there is nothing to throw."""
        if self._sim.scene.num_projectiles == 0:
            return {}
        return {"generator": self._generator.get_state(), "thrown": self._thrown.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continues from the state of a thrower for the same scene."""
        if self._sim.scene.num_projectiles:
            self._generator.set_state(state["generator"].cpu())
            self._thrown.copy_(state["thrown"])

    def _draw(self) -> Flight:
        """A throw at each of the N rows."""
        state, config = self._sim.state, self._config
        rows = self._sim.num_envs
        where, shares = self._uniform(4), self._normal(6)
        distance, height, speed = (
            low + (high - low) * where[:, column]
            for column, (low, high) in enumerate((config.distance, config.height, config.speed))
        )
        angle = 2.0 * torch.pi * where[:, 3]
        target, moving = state.body_pos[:, self._target], state.body_lin_vel[:, self._target].clone()
        moving[:, 2] = 0.0
        pos = torch.stack(
            (
                state.root_pos[:, 0] + distance * angle.cos(),
                state.root_pos[:, 1] + distance * angle.sin(),
                height,
            ),
            dim=1,
        )
        way = target - pos
        far = way.norm(dim=1, keepdim=True)
        direction = way / far + config.spread * shares[:, :3]
        lin_vel = speed[:, None] * torch.nn.functional.normalize(direction, dim=1) + moving
        lin_vel[:, 2] += 0.5 * _GRAVITY * far[:, 0] / speed  # what it falls on its way
        return Flight(
            pos=pos,
            quat=exp_to_quat(shares[:, 3:]),
            lin_vel=lin_vel,
            ang_vel=torch.zeros(rows, 3, device=self._sim.device),
        )

    def _uniform(self, columns: int) -> Tensor:
        return torch.rand(self._sim.num_envs, columns, generator=self._generator, device=self._sim.device)

    def _normal(self, columns: int) -> Tensor:
        return torch.randn(self._sim.num_envs, columns, generator=self._generator, device=self._sim.device)


# --- A blow to the whole body ---------------------------------------------------------------------------------------


def push(sim: Simulator, velocity: Tensor) -> None:
    """Adds velocity (N, 2) [m/s] over the ground to the roots of all rows that have not diverged.

    The body moves on as one; nothing else changes: objects are not pushed, and boxes fly on.
    """
    gain = velocity.masked_fill(sim.state.diverged[:, None], 0.0)
    sim.state.root_lin_vel[:, :2] += gain
    sim.state.body_lin_vel[..., :2] += gain[:, None]
    sim.add_root_velocity(gain)
