"""The vectorised human-object-interaction environment."""

import math
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from hoigym.conditioners.base import ConditionQuery
from hoigym.conditioners.registry import ConditionContext, make_conditioner
from hoigym.envs.clips import check_library, load_library
from hoigym.envs.config import EnvConfig
from hoigym.envs.judge import Following, StepJudge
from hoigym.envs.last_frames import LastFrames
from hoigym.envs.motion_windows import MotionWindows
from hoigym.envs.observer import Observer
from hoigym.envs.perturbation import Thrower
from hoigym.envs.reward import Contacts
from hoigym.envs.start import EpisodeStart, EpisodeStarts, StartPool
from hoigym.envs.termination import EpisodeEnd
from hoigym.motions.library import MotionLibrary
from hoigym.motions.state import Frames
from hoigym.rendering.renderer import EnvRenderer
from hoigym.sim.cuda_graphs import Captured, Recorder, cuda_graphs, owned
from hoigym.sim.engines import engine_device, make_simulator
from hoigym.sim.env_ids import Rows, counting_stalls
from hoigym.sim.scene.scene import build_scene

_ROW_STATE = ("clip", "start_frame", "wait", "progress", "skill", "variant")


class _Outcome(NamedTuple):
    """What a step led to: info as `step` gives it, and the library rows that the rows done follow from now on."""

    reward: Tensor
    end: EpisodeEnd
    info: dict[str, Any]
    done: Rows
    followed: Tensor


class HOIVectorEnv(VectorEnv[Tensor, Tensor, Tensor]):
    """N humanoids, each following a clip of a motion library; tensors in and out.

    Actions (N, 3 J) in -1 .. 1 are drive targets: exp-maps of the joints over pi. Observations (N, O) hold the
    humanoid, its objects and the condition that names the skill. Episodes begin on a reference frame and reset
    within the step that ends them: info["final_obs"] (N, O) is the observation before the reset.

    Attributes (N,): clip and start_frame that the row follows, wait (steps for which the reference stays at that
    frame), progress (control steps since the start), skill, variant (of the condition).
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": ["rgb_array"]}

    def __init__(self, config: EnvConfig, library: MotionLibrary | None = None, render_mode: str | None = None):
        """library: what to follow, in place of config.motion_file. render_mode: "rgb_array" or None.

        Raises UserError for what does not fit.
        """
        self.config = config
        self.device = engine_device(config.engine, config.warp)
        self.library = load_library(config, self.device) if library is None else library
        check_library(config, self.library)
        mean_pose = self.library.reference(self.library.valid.nonzero()[:, 0]).joint_rot.mean(0)
        self.scene = build_scene(config.scene, locked_pose=mean_pose.cpu().numpy())
        self.sim = make_simulator(config.engine, self.scene, config.num_envs, config.threads, config.warp)
        self.num_envs = config.num_envs
        self._conditioner = make_conditioner(
            ConditionContext(
                config.condition, self.library, self.scene, self.sim.state, config.scene.control_hz, config.seed
            )
        )
        self._observer = Observer(config, self.sim, self._conditioner, self.library)
        self._generator = torch.Generator(self.device).manual_seed(config.seed)
        self._starts = EpisodeStarts(config, self.library, self.scene, self._generator)
        recorder = self._recorder()
        pooled = counting_stalls(self.device)
        self._pool = StartPool(self._starts, self.num_envs, self.device, recorder) if pooled else None
        self._thrower = Thrower(self.sim, config.throw, config.seed)
        self._set_spaces()
        self._all_rows = torch.arange(self.num_envs, device=self.device)
        lags = [damping / stiffness for stiffness, damping in (body.drive for body in self.scene.skeleton.bodies[1:])]
        self._drive_lag = torch.tensor(lags, device=self.device).unsqueeze(1)
        self.clip, self.start_frame, self.wait, self.progress, self.skill, self.variant = (
            torch.zeros(self.num_envs, dtype=torch.long, device=self.device) for _ in range(6)
        )
        following = Following(self.clip, self.start_frame, self.wait, self.progress, self.skill)
        self._judge = StepJudge(config, self.scene, self.library, self.sim.state, following)
        self.metadata = {**self.metadata, "render_fps": config.scene.control_hz}
        self.render_mode = render_mode
        self._renderer: EnvRenderer | None = None
        self._motion: MotionWindows | None = None
        self._last_frames: LastFrames | None = None
        self._actions = torch.zeros(self.num_envs, 3 * self.scene.skeleton.num_joints, device=self.device)
        self._parts = (
            Captured(self._set_out, recorder),
            Captured(self._pass_judgement, recorder),
            Captured(self._look_on, recorder),
        )
        self._replaying = recorder is not None

    @property
    def counters(self) -> dict[str, Tensor]:
        """Running totals of events in the engine, as `Simulator.counters`."""
        return self.sim.counters

    @property
    def moving_actions(self) -> Tensor:
        """Which actions (M,) long, move something: those of joints that are not locked."""
        joints = torch.as_tensor(self.scene.free_joints, dtype=torch.long, device=self.device)
        return (3 * joints[:, None] + torch.arange(3, device=self.device)).flatten()

    def keep_last_frames(self, frames: int) -> LastFrames:
        """From now on keeps so many of the last frames of every row, to look at those that diverge."""
        self._last_frames = LastFrames(self.sim, frames)
        self._parts_changed()
        return self._last_frames

    def watch_motion(self, length: int) -> MotionWindows:
        """From the next reset on, info["motion"] (N, W) holds each row's last `length` states before it is reset."""
        self._motion = MotionWindows(self.library, self.scene, self.num_envs, length)
        self._parts_changed()
        return self._motion

    def reset(
        self, *, seed: int | list[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Starts every row anew.

        seed: of all randomness (the first of a list). options, tensors or arrays on any device: "start" (N,) long,
        library rows to start on in place of drawn ones; "skill" (N,) long, skill ids to ask for in place of those of
        the clips.
        """
        if seed is not None:
            first = seed if isinstance(seed, int) else seed[0]
            self._generator.manual_seed(first)
            self._thrower.seed(first)
            if self._pool is not None:
                self._pool.empty()
        options = options or {}
        names = [name for name in ("start", "skill") if name in options]
        chosen = {name: torch.as_tensor(options[name], device=self.device) for name in names}
        rows = Rows.of(torch.ones(self.num_envs, dtype=torch.bool, device=self.device))
        followed = self._place(rows, self._starts.draw(self.num_envs, chosen.get("start")))
        self.sim.settle(rows)
        self._begin(rows, followed)
        if "skill" in chosen:
            self.skill.copy_(chosen["skill"])
        obs = self._observe(rows.index)
        self._observer.remember()
        return obs, {}

    def step(self, actions: Tensor | np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """One control step.

        Returns:
            Observation (N, O), reward (N,), terminated (N,), truncated (N,), and info with final_obs (N, O),
            reward_terms (name -> (N,)), diverged (N,) bool, end_reason (N,) of EndReason.
        """
        set_out, pass_judgement, look_on = self._parts
        if self._pool is not None:
            self._pool.renew()
        self._actions.copy_(torch.as_tensor(actions).detach().reshape(self._actions.shape))
        set_out()
        self.sim.advance()
        outcome = pass_judgement()
        if len(outcome.done):
            self.sim.settle(outcome.done)
        obs = look_on(outcome.info["final_obs"], outcome.done, outcome.followed)
        reward, end, info = outcome.reward, outcome.end, outcome.info
        if self._replaying:  # the next step writes over what these parts gave
            obs, reward, end, info = owned([obs, reward, end, info])
        return obs, reward, end.terminated, end.truncated, info

    def throw(self, selected: Tensor | None = None) -> None:
        """Throws the next box of `config.scene.projectiles` at the rows selected (N,) bool; at all where None.

        It flies from the next step on, as `config.throw` says, and lies about until the row restarts or its turn
        comes again. Raises UserError where the scene has no boxes.
        """
        everyone = torch.ones(self.num_envs, dtype=torch.bool, device=self.device)
        self._thrower.throw(everyone if selected is None else selected)

    def render(self) -> tuple[np.ndarray, ...] | None:
        """N pictures (height, width, 3) uint8 of the present state where render_mode is "rgb_array"."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            self._renderer = EnvRenderer(self.scene, self.num_envs, self.sim.control_dt)
        return self._renderer.render(self.sim.state)

    def reference(self) -> Frames:
        """The frames that the rows should be in now."""
        return self.library.reference(self._frame_ahead(0))

    def contacts(self) -> Contacts:
        """Who touches what now, by the engine's contact pairs."""
        return self._judge.contacts()

    def object_free(self) -> Tensor:
        """Rows (N,) bool that are asked for a skill without an object."""
        return self._judge.object_free()

    def reference_actions(self) -> Tensor:
        """Feed-forward actions (N, A): drive targets that lead along the reference without looking at the state.

        A drive follows its target late by damping / stiffness seconds, so the target runs ahead by that much.
        """
        wanted = self.library.reference(self._frame_ahead(1))
        target = wanted.joint_rot + self._drive_lag * wanted.joint_vel
        return (target / math.pi).clamp(-1.0, 1.0).flatten(1)

    def state_dict(self) -> dict[str, Tensor]:
        """All that a bit-exact continuation needs."""
        rows = {name: getattr(self, name).clone() for name in _ROW_STATE}
        parts = {
            "sampler": self._starts.sampler.state_dict(),
            "history": self._observer.state_dict(),
            "sim": self.sim.snapshot(),
            "judge": self._judge.state_dict(),
            "thrower": self._thrower.state_dict(),
            "motion": {} if self._motion is None else self._motion.state_dict(),
        }
        named = {f"{part}.{key}": value for part, values in parts.items() for key, value in values.items()}
        return rows | {"generator": self._generator.get_state()} | named

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continues from the state of an environment of the same configuration."""
        for name in _ROW_STATE:
            getattr(self, name).copy_(state[name])
        self._generator.set_state(state["generator"].cpu())
        self._starts.sampler.load_state_dict(_part("sampler", state))
        if self._pool is not None:
            self._pool.empty()
        self._observer.load_state_dict(_part("history", state))
        self.sim.restore(_part("sim", state))
        self._judge.load_state_dict(_part("judge", state))
        self._thrower.load_state_dict(_part("thrower", state))
        if self._motion is not None:
            self._motion.load_state_dict(_part("motion", state))

    def close_extras(self, **kwargs: Any) -> None:
        """Frees engine, conditioner and renderer."""
        self._conditioner.close()
        if self._renderer is not None:
            self._renderer.close()
        self.sim.close()

    def drive_targets(self, actions: Tensor | np.ndarray) -> Tensor:
        """Joint targets (N, J, 3) exp-maps [rad] of actions (N, 3 J)."""
        actions = torch.as_tensor(actions, dtype=torch.float32, device=self.device)
        return (math.pi * actions.clamp(-1.0, 1.0)).view(self.num_envs, -1, 3)

    # --- the parts of a step: what comes before the engine, after it, and after it has set rows anew ---------------

    def _set_out(self) -> None:
        """Gives the engine the drive targets of the actions."""
        self._judge.before_step()
        targets = self.drive_targets(self._actions)
        if self._last_frames is not None:
            self._last_frames.record(targets)
        self.sim.hold(targets)

    def _pass_judgement(self) -> _Outcome:
        """What the engine's step was worth; rows whose episode it ended are placed on their next start."""
        self.progress += 1
        row = self._frame_ahead(0)
        reference = self.library.reference(row)
        end = self._judge.end(reference)
        reward, terms = self._judge.reward(reference, self.library.valid[row])
        diverged = self.sim.state.diverged.clone()
        if self._last_frames is not None:
            self._last_frames.note(diverged, self.progress, self.skill)
        info = {
            "final_obs": self._observe(self._all_rows, row),
            "_final_obs": end.terminated | end.truncated,
            "reward_terms": terms,
            "diverged": diverged,
            "end_reason": end.reason,
        }
        if self._motion is not None:
            info["motion"] = self._motion.push(self.sim.state, diverged)
        done = Rows.of(info["_final_obs"])
        return _Outcome(reward, end, info, done, self._end_episodes(done))

    def _look_on(self, final_obs: Tensor, done: Rows, followed: Tensor) -> Tensor:
        """The observation (N, O) to go on from."""
        obs = final_obs
        if len(done):
            self._begin(done, followed)
            obs = final_obs.clone()
            done.write(obs, self._observe(done.index))
        self._observer.remember()
        return obs

    def _end_episodes(self, done: Rows) -> Tensor:
        """Notes how the episodes of these rows went and places the next ones: the library rows (R,) they follow."""
        index = done.index
        if len(done) == 0:
            return index
        mean, known = self._judge.mean_reward(index)
        started_on = self.library.frame_index(self.clip[index], self.start_frame[index])
        self._starts.sampler.record(started_on, mean, done.mask & known)
        return self._place(done, self._starts.draw(len(done)) if self._pool is None else self._pool.take(done.mask))

    def _place(self, rows: Rows, start: EpisodeStart) -> Tensor:
        """Puts rows on their start; the library rows (R,) they follow first. The engine has to settle it."""
        rows.write(self.clip, start.clip)
        rows.write(self.start_frame, start.frame)
        rows.write(self.wait, start.wait)
        rows.write(self.skill, self.library.clip_skill[start.clip])
        if (variants := self._conditioner.variants) > 1:
            drawn = torch.randint(variants, (len(rows),), generator=self._generator, device=self.device)
            rows.write(self.variant, drawn)
        rows.write(self.progress, 0)
        self._judge.restart(rows)
        self.sim.place(rows, start.state)
        return self.library.frame_index(start.clip, start.frame)

    def _begin(self, rows: Rows, followed: Tensor) -> None:
        """Gives settled rows the past of the library rows followed (R,)."""
        self._observer.restart(rows, followed)
        if self._motion is not None:
            self._motion.restart(rows, followed)

    def _recorder(self) -> Recorder | None:
        """Of the parts of a step, where they run on a GPU and ask nothing of the host."""
        graphs = self.device.type == "cuda" and self.config.warp.graphs and not self._conditioner.on_host
        return cuda_graphs([self._generator]) if graphs else None

    def _parts_changed(self) -> None:
        for part in self._parts:
            part.forget()

    def _frame_ahead(self, steps: int | Tensor) -> Tensor:
        """Library row (N,) that each row should be in after some more steps."""
        moved = (self.progress + steps - self.wait).clamp_min(0)
        return self.library.frame_index(self.clip, self.start_frame + moved)

    def _observe(self, index: Tensor, row: Tensor | None = None) -> Tensor:
        """Observation (R, O) of the rows index (R,). row: (N,) that each should be in now, where known."""
        held: int | Tensor = 0
        if self._conditioner.hold_steps > 1:
            held, row = self.progress % self._conditioner.hold_steps, None
        row = self._frame_ahead(-held) if row is None else row
        asked = [self.skill, row, self.progress - held, self.variant]
        if len(index) < self.num_envs:
            asked = [value[index] for value in asked]
        skill, frame, step, variant = asked
        return self._observer(index, ConditionQuery(skill, frame, step, variant, index))

    def _set_spaces(self) -> None:
        actions = 3 * self.scene.skeleton.num_joints
        self.single_observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (self._observer.width,), np.float32)
        self.single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (actions,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)


def _part(prefix: str, values: dict[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {key.removeprefix(start): value for key, value in values.items() if key.startswith(start)}
