"""The panel of `run.py play`."""

from collections import deque
from collections.abc import Sequence

import numpy as np
import viser

from hoigym.viewer.base import Moment, Setup
from hoigym.viewer.browser.plots import LivePlot, contact_lanes, skill_lane, strips_html
from hoigym.viewer.browser.widgets import add_button, add_keys, head_html
from hoigym.viewer.controls import Action, Pacer
from hoigym.viewer.rollout import LiveRollout

_SECONDS = 8.0  # of the plots and the contact strip
_PLOT_EVERY = 4  # refreshes


class PlayPanel:
    """Skills and run controls, and what there is to read of the humanoid that the view follows."""

    tracks = False

    def __init__(self, server: viser.ViserServer, rollout: LiveRollout):
        self._server, self._rollout = server, rollout
        self._moments: Sequence[Moment] = ()
        self._read = 0  # the figure that the past is of
        self._past: deque[tuple[bool, bool, int]] = deque()  # label, touch, skill
        self._refreshes = 0
        actions = rollout.actions
        self._names = {action.skill: action.label for action in actions if action.skill is not None}
        self._head = server.gui.add_html("")
        self._strips = server.gui.add_html("")
        add_keys(server, rollout.controls, [*actions, Action("follow", self._toggle_follow, "f")])
        self._skills = self._add_skills([action for action in actions if action.skill is not None])
        for action in actions:
            if action.skill is None:
                add_button(server, rollout.controls, action)
        self._follow = server.gui.add_checkbox("camera follows  (F)", True)
        figures = rollout.figures
        self._all = server.gui.add_checkbox("all of them", True, visible=figures > 1)
        self._figure = server.gui.add_slider("humanoid", 1, max(figures, 2), 1, 1, visible=figures > 1)
        self._reference = server.gui.add_checkbox("reference", True, visible=rollout.ghost)
        self._rewards: LivePlot | None = None

    @property
    def ghosts(self) -> bool:
        return self._reference.value

    @property
    def followed(self) -> Sequence[int]:
        if not self._follow.value:
            return ()
        return range(self._rollout.figures) if self._all.value else (self._chosen,)

    def begin(self, setup: Setup) -> None:
        steps = round(_SECONDS / setup.dt)
        self._past = deque(maxlen=steps)
        if self._rewards is None:
            self._rewards = LivePlot(self._server, "reward terms", steps)

    def note(self, moments: Sequence[Moment]) -> None:
        assert self._rewards is not None, "begin comes before note"
        self._moments = moments
        figure = self._chosen
        if figure != self._read:
            self._read = figure
            self._past.clear()
            self._rewards.clear()
        moment = moments[figure]
        self._past.append((moment.label, moment.touch, moment.skill_id))
        if moment.reward is not None:
            self._rewards.add(moment.time, {"reward": moment.reward, **moment.reward_terms})

    def refresh(self, pacer: Pacer) -> None:
        if not self._moments:
            return
        moment = self._moments[self._chosen]
        self._head.content = head_html(moment, f"{_numbers(moment)}, {self._state(pacer)}")
        self._strips.content = self._past_html()
        for skill, button in self._skills.items():
            button.color = "green" if skill == moment.skill_id else None
        self._refreshes += 1
        if self._rewards is not None and self._refreshes % _PLOT_EVERY == 0:
            self._rewards.refresh()

    @property
    def _chosen(self) -> int:
        return self._figure.value - 1

    def _past_html(self) -> str:
        """The last seconds; now is at the right end."""
        assert self._past.maxlen is not None
        steps = self._past.maxlen
        past = np.full((steps, 3), (0, 0, -1))
        past[steps - len(self._past) :] = list(self._past)
        lanes = [*contact_lanes(past[:, :2].T > 0), skill_lane(past[:, 2], self._names)]
        return strips_html(lanes, steps, steps)

    def _add_skills(self, actions: Sequence[Action]) -> dict[int | None, viser.GuiButtonHandle]:
        """Buttons of the skills; those that cannot be asked for are folded away."""
        gui, controls = self._server.gui, self._rollout.controls
        with gui.add_folder("skills"):
            buttons = {action.skill: add_button(self._server, controls, action) for action in actions if action.enabled}
        with gui.add_folder("skills that no clip of this policy shows", expand_by_default=False):
            for action in actions:
                if not action.enabled:
                    add_button(self._server, controls, action)
        return buttons

    def _state(self, pacer: Pacer) -> str:
        if not self._rollout.playing:
            return "paused"
        if pacer.late:
            return f"falls behind: {pacer.rate:.2f} of real time ({pacer.steps_per_second:.0f} steps/s)"
        return "real time"

    def _toggle_follow(self) -> None:
        self._follow.value = not self._follow.value


def _numbers(moment: Moment) -> str:
    reward = "" if moment.reward is None else f", reward {moment.reward:.3f}"
    return f"{moment.time:.2f} s{reward}"
