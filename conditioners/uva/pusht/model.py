"""The simulator as the expert's model: what a straight push would do."""

import numpy as np
from numpy.typing import NDArray

from conditioners.uva.pusht.tee import AGENT_RADIUS
from conditioners.uva.pusht.world import gym_pusht_env

Array = NDArray[np.float64]

STRIDE = 2.0
"""Pixels of agent travel between two poses of a simulated push."""
_DT = 0.01
_WALL_LOW, _WALL_HIGH = 5, 506
_FAR = (-400.0, -400.0)
# Chipmunk remembers contacts for a few steps and starts its solver from them; they must not leak between pushes.
_FORGET_STEPS = 5


class PushModel:
    """Simulates pushes from any state; the same question always has the same answer."""

    def __init__(self) -> None:
        env = gym_pusht_env()
        env.reset(options={"reset_to_state": np.zeros(5)})
        # A space of its own: the environment's counts contacts in Python, which takes twice as long as the physics.
        self._space = type(env.space)()
        self._space.damping = env.space.damping
        corners = [(_WALL_LOW, _WALL_LOW), (_WALL_HIGH, _WALL_LOW), (_WALL_HIGH, _WALL_HIGH), (_WALL_LOW, _WALL_HIGH)]
        ends = zip(corners, corners[1:] + corners[:1], strict=True)
        self._space.add(*(env.add_segment(self._space, begin, end, 2) for begin, end in ends))
        self._agent = env.add_circle(self._space, _FAR, AGENT_RADIUS)
        self._block, _ = env.add_tee(self._space, (256, 256), 0)

    def push(self, pose: Array, start: Array, direction: Array, length: float) -> Array:
        """Block poses while the agent moves straight on from `start`, one for each STRIDE of travel, (n + 1, 3).

        pose: (3,) block x, y, angle. start: (2,). direction: (2,) unit. length: pixels; n = length / STRIDE.
        """
        space, agent, block = self._space, self._agent, self._block
        self._place(pose)
        agent.position = tuple(start)
        agent.velocity = tuple(direction * (STRIDE / _DT))
        poses = [tuple(pose)]
        for _ in range(round(length / STRIDE)):
            space.step(_DT)
            poses.append((*block.position, block.angle))
        return np.array(poses)

    def _place(self, pose: Array) -> None:
        space, agent, block = self._space, self._agent, self._block
        agent.position, agent.velocity = _FAR, (0.0, 0.0)
        for _ in range(_FORGET_STEPS):
            space.step(_DT)
        # The angle first: turning acts about the centre of mass and would move the block's origin.
        block.angle = float(pose[2])
        block.position = (float(pose[0]), float(pose[1]))
        block.velocity, block.angular_velocity = (0.0, 0.0), 0.0
