"""Engine `mujoco_warp`: MuJoCo-Warp, all rows on one GPU (or, for tests, on the CPU by the same code)."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import mujoco
import mujoco_warp as mjw
import numpy as np
import torch
import warp as wp
from torch import Tensor

from hoigym.motions.state import MotionState
from hoigym.sim import warp_kernels as kernels
from hoigym.sim.base import Flight, Simulator
from hoigym.sim.cuda_graphs import no_garbage_collection
from hoigym.sim.engines import WarpConfig, torch_device
from hoigym.sim.env_ids import Rows
from hoigym.sim.mujoco_layout import MAX_SPEED, MujocoLayout
from hoigym.sim.scene.scene import Scene


def start_warp(quiet: bool) -> None:
    wp.config.log_level = max(wp.config.log_level, wp.LOG_ERROR if quiet else wp.LOG_WARNING)
    wp.init()


def announce_compilation(device: wp.Device) -> None:
    """Says why nothing happens for a minute, where no earlier run has left compiled kernels for this device."""
    compiled = "*.cpu*.o" if device.is_cpu else f"*.sm{device.arch}*"
    if not any(Path(wp.config.kernel_cache_dir or "").glob(f"wp_mujoco_warp*/{compiled}")):
        print("engine mujoco_warp: compiling kernels, about a minute, only once", file=sys.stderr, flush=True)


def warp_options(model: mujoco.MjModel, config: WarpConfig) -> mujoco.MjModel:
    model = copy.copy(model)
    model.opt.jacobian = mujoco.mjtJacobian.mjJAC_SPARSE  # dense is refused above 60 degrees of freedom
    model.opt.iterations = config.solver_iterations
    model.opt.ls_iterations = config.linesearch_iterations
    # Contacts are read from the contact list, not by the hundreds of sensors that the CPU engine uses.
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_SENSOR
    # Here this bit only says how boxes meet boxes: as in MuJoCo, and not by general convex collision, which
    # finds other contacts where feet overlap.
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_NATIVECCD
    return model


def slot_of_geom(scene: Scene) -> np.ndarray:
    """Contact slot of every geom, as in `warp_kernels.GROUND`."""
    slot_of_body = np.full(scene.model.nbody, kernels.UNTRACKED)
    slot_of_body[0] = kernels.GROUND
    tracked = np.concatenate((scene.body_ids, scene.object_ids))
    slot_of_body[tracked] = np.arange(len(tracked))
    return slot_of_body[scene.model.geom_bodyid]


def as_array(tensor: Tensor) -> wp.array:
    """A state tensor as an array of vectors or quaternions; a root's gets an axis for its one body."""
    if tensor.dtype == torch.bool:
        return wp.from_torch(tensor)
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(1)
    return wp.from_torch(tensor, dtype=wp.vec3 if tensor.shape[-1] == 3 else wp.quat)


# --- Engine `mujoco_warp`: MuJoCo-Warp, all rows on one GPU (or, for tests, on the CPU by the same code) ------------


_FULL_CONTACTS = mjw.OverflowType.BROADPHASE | mjw.OverflowType.NARROWPHASE | mjw.OverflowType.CCD
_FULL_CONSTRAINTS = mjw.OverflowType.NEFC | mjw.OverflowType.NJMAX_NNZ
_COUNTED = {
    "full_contacts": _FULL_CONTACTS,
    "full_constraints": _FULL_CONSTRAINTS,
    "solver_limit": mjw.OverflowType.ITERATIONS,
    "linesearch_limit": mjw.OverflowType.LS_ITERATIONS,
}
# Room for contacts of all rows together, however few: one that blows up can have a thousand pairs of bodies.
_LEAST_ROOM = 2048
# Room per row for pairs that need general convex collision, several kilobytes each: few shapes do.
_CONVEX_CONTACTS = 4
# Room for contacts of a projectile in a row: its four corners on the floor, and a body or two.
_BOX_CONTACTS = 8
_KEPT = ("body_force", "object_force", "ground_contact", "object_contact", "diverged")


class MujocoWarpSimulator(Simulator):
    """N worlds stepped by MuJoCo-Warp; a control step is one graph launch and never waits for the device.

    The step's graph holds the substeps, forces and contacts of the last of them, fresh kinematics and
    velocities, and the kernels that write all this into `state`. A second graph, for rows set anew, holds what
    follows from positions and velocities, and their contacts. On a CUDA device both are CUDA graphs, launched
    on torch's current stream.
    """

    def __init__(self, scene: Scene, num_envs: int, config: WarpConfig | None = None):
        """Compiles the engine's kernels if no earlier run has, which takes about a minute.

        Raises UserError where the device is not there.
        """
        config = config or WarpConfig()
        super().__init__(scene, num_envs, torch_device(config))
        start_warp(quiet=self.device.type == "cpu")
        self._layout = MujocoLayout(scene, self.device)
        self._wp_device = wp.device_from_torch(self.device)
        announce_compilation(self._wp_device)
        with wp.ScopedDevice(self._wp_device):
            model = warp_options(scene.model, config)
            self._model = mjw.put_model(model)
            self._model.opt.warn_overflow = 0  # printing from kernels is slow; the flags are read
            self._model.opt.graph_conditional = self._wp_device.is_cpu or wp.is_conditional_graph_supported()
            boxes = scene.num_projectiles
            room = max(num_envs * (config.nconmax + _BOX_CONTACTS * boxes), _LEAST_ROOM)
            convex = min(room, max(num_envs * _CONVEX_CONTACTS, _LEAST_ROOM))
            constraints = config.njmax + 4 * _BOX_CONTACTS * boxes
            self._data = mjw.make_data(model, num_envs, naconmax=room, naccdmax=convex, njmax=constraints)
            self._allocate()
            self._step_graph = self._capture(self._control_step)
            self._start_graph = self._capture(self._start)
            self._initialize()

    @property
    def counters(self) -> dict[str, Tensor]:
        return dict(zip(("diverged", *_COUNTED), self._totals, strict=True))

    def capture_physics(self) -> Callable[[], None]:
        """The engine's own part of a step, for benchmarks: worlds move under the targets held, `state` stays."""
        before = self.snapshot()
        with wp.ScopedDevice(self._wp_device):
            graph = self._capture(self._physics)
        self.restore(before)  # warming up moved the worlds
        return lambda: self._launch(graph)

    def hold(self, joint_target: Tensor) -> None:
        self._ctrl.copy_(self._layout.controls(joint_target))
        self._layout.hold_parked(self._qpos, self._qvel)

    def advance(self) -> None:
        self._launch(self._step_graph)

    def place(self, rows: Rows, start: MotionState) -> None:
        qpos, qvel = self._layout.pack(start)
        rows.write(self._qpos, qpos)
        rows.write(self._qvel, qvel)
        rows.write(self._ctrl, self._layout.controls(start.joint_rot))
        # A NaN left in the warm start would never heal; the bits are those of the row's last step.
        for left_over in (self._warm_start, self._time, self._overflow):
            rows.write(left_over, 0)
        for force in (self.state.body_force, self.state.object_force):
            rows.write(force, 0)
        self._selected.zero_()
        rows.write(self._selected, True)

    def settle(self, rows: Rows) -> None:
        self._launch(self._start_graph)

    def _launch_projectile(self, rows: Rows, box: Tensor, flight: Flight) -> None:
        self._layout.launch(self._qpos, self._qvel, rows, box, flight)

    def add_root_velocity(self, velocity: Tensor) -> None:
        self._qvel[:, :2] += velocity

    def generalized_positions(self) -> Tensor:
        return self._qpos.double().cpu()

    def snapshot(self) -> dict[str, Tensor]:
        kept = {name: getattr(self.state, name).clone() for name in _KEPT}
        return {name: value.clone() for name, value in self._restorable().items()} | kept

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        for name, value in self._restorable().items():
            value.copy_(snapshot[name])
        self._launch(self._start_graph)
        for name in _KEPT:
            getattr(self.state, name).copy_(snapshot[name])

    def _restorable(self) -> dict[str, Tensor]:
        return {
            "qpos": self._qpos,
            "qvel": self._qvel,
            "ctrl": self._ctrl,
            "warm_start": self._warm_start,
            "time": self._time,
            "overflow": self._overflow,
            "totals": self._totals,
        }

    def _allocate(self) -> None:
        """Views of the engine's arrays as tensors and of the state's tensors as arrays, and what else the
        graphs read and write."""
        data, scene, state = self._data, self.scene, self.state
        self._qpos, self._qvel, self._ctrl, self._warm_start, self._time, self._overflow = (
            wp.to_torch(array)
            for array in (data.qpos, data.qvel, data.ctrl, data.qacc_warmstart, data.time, data.overflow)
        )
        self._totals = torch.zeros(1 + len(_COUNTED), dtype=torch.long, device=self.device)
        self._wp_totals = wp.from_torch(self._totals)
        self._counted_bits = wp.array([int(bits) for bits in _COUNTED.values()], dtype=int)
        self._selected = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        self._wp_selected, self._everyone = as_array(self._selected), as_array(torch.ones_like(self._selected))
        self._contact_ids = wp.array(np.arange(data.naconmax), dtype=int)
        self._wrench = wp.array(np.zeros((data.naconmax, 6)), dtype=wp.spatial_vector)
        self._slot_of_geom = wp.array(slot_of_geom(scene), dtype=int)
        self._free_joints = wp.array(scene.free_joints, dtype=int)
        state.joint_rot.copy_(torch.as_tensor(scene.locked_pose))
        self._out = {name: as_array(tensor) for name, tensor in vars(state).items()}

    def _initialize(self) -> None:
        """Undoes what warming up has left, so that unset rows stand in the model's reference pose."""
        self._qpos.copy_(torch.as_tensor(self.scene.model.qpos0))
        for buffer in (self._qvel, self._ctrl, self._warm_start, self._time, self._overflow, self._totals):
            buffer.zero_()
        for force in (self.state.body_force, self.state.object_force):
            force.zero_()
        self._selected.fill_(True)
        self._launch(self._start_graph)
        wp.synchronize_device(self._wp_device)  # whatever stream torch will use, it finds this done

    def _capture(self, body: Callable[[], None]) -> wp.Graph:
        """The graph of what body launches. It runs once beforehand, to compile and load its kernels.

        That is on a stream of Warp's own, of which torch's knows nothing: each waits for the other here.
        """
        wp.synchronize_device(self._wp_device)
        body()
        with no_garbage_collection(), wp.ScopedCapture() as capture:
            body()
        wp.synchronize_device(self._wp_device)
        assert capture.graph is not None
        return capture.graph

    def _launch(self, graph: wp.Graph) -> None:
        if self._wp_device.is_cuda:
            wp.capture_launch(graph, stream=wp.stream_from_torch(self.device))
        else:
            wp.capture_launch(graph)

    def _physics(self) -> None:
        self._data.overflow.zero_()
        for _ in range(self.scene.config.substeps):
            mjw.step(self._model, self._data)

    def _control_step(self) -> None:
        self._physics()
        self._read_forces()
        self._read_contacts(self._everyone)
        self._refresh()
        self._judge()
        wp.launch(
            kernels.count_events,
            dim=self.num_envs,
            inputs=[self._data.overflow, self._counted_bits, self._out["diverged"]],
            outputs=[self._wp_totals[:1], self._wp_totals[1:]],
        )

    def _start(self) -> None:
        self._refresh()
        mjw.collision(self._model, self._data)
        self._read_contacts(self._wp_selected)
        self._judge()

    def _refresh(self) -> None:
        """What follows from positions and velocities, in all rows: after a step it is one substep old."""
        model, data = self._model, self._data
        mjw.kinematics(model, data)
        mjw.com_pos(model, data)
        mjw.com_vel(model, data)
        self._read_motion()

    def _read_motion(self) -> None:
        data, out, rows = self._data, self._out, self.num_envs
        joints, objects = len(self.scene.free_joints), self.scene.num_objects
        for name, count, at, speed_at in (
            ("root", 1, 0, 0),
            ("object", objects, 7 + 4 * joints, 6 + 3 * joints),
            ("projectile", self.scene.num_projectiles, 7 + 4 * joints + 7 * objects, 6 + 3 * joints + 6 * objects),
        ):
            wp.launch(
                kernels.read_free_bodies,
                dim=(rows, count),
                inputs=[data.qpos, data.qvel, at, speed_at],
                outputs=[out[f"{name}_{part}"] for part in ("pos", "quat", "lin_vel", "ang_vel")],
            )
        wp.launch(
            kernels.read_joints,
            dim=(rows, joints),
            inputs=[data.qpos, data.qvel, self._free_joints],
            outputs=[out["joint_rot"], out["joint_vel"]],
        )
        wp.launch(
            kernels.read_bodies,
            dim=(rows, self.scene.skeleton.num_bodies),
            inputs=[data.xpos, data.xquat, data.cvel, data.subtree_com, int(self.scene.body_ids[0])],
            outputs=[out[f"body_{part}"] for part in ("pos", "quat", "lin_vel", "ang_vel")],
        )

    def _read_forces(self) -> None:
        data, out = self._data, self._out
        mjw.contact_force(self._model, data, self._contact_ids, True, self._wrench)
        out["body_force"].zero_()
        out["object_force"].zero_()
        contact = data.contact
        wp.launch(
            kernels.add_contact_forces,
            dim=data.naconmax,
            inputs=[data.nacon, contact.worldid, contact.geom, self._wrench, self._slot_of_geom],
            outputs=[out["body_force"], out["object_force"]],
        )

    def _read_contacts(self, selected: wp.array) -> None:
        data, flags = self._data, [self._out["ground_contact"], self._out["object_contact"]]
        wp.launch(kernels.clear_contacts, dim=flags[0].shape, inputs=[selected], outputs=flags)
        wp.launch(
            kernels.mark_contacts,
            dim=data.naconmax,
            inputs=[selected, data.nacon, data.contact.worldid, data.contact.geom, self._slot_of_geom],
            outputs=flags,
        )

    def _judge(self) -> None:
        data, flag = self._data, self._out["diverged"]
        bits = int(_FULL_CONTACTS | _FULL_CONSTRAINTS)
        wp.launch(
            kernels.judge_buffers,
            dim=self.num_envs,
            inputs=[data.overflow, bits, data.ncollision, data.nacon, data.naconmax],
            outputs=[flag],
        )
        wp.launch(
            kernels.judge_numbers,
            dim=(self.num_envs, self.scene.model.nq),
            inputs=[data.qpos, data.qvel, MAX_SPEED],
            outputs=[flag],
        )
