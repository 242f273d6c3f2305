"""The panel of `run.py play`."""

from collections import deque
from collections.abc import Sequence

import numpy as np
import viser

from viewer.base import Moment, Setup
from viewer.browser.buttons import add_button, add_keys
from viewer.browser.plots import LivePlot
from viewer.browser.strip import strip_html
from viewer.controls import Action
from viewer.live import LiveRollout
from viewer.pace import Pacer

_SECONDS = 8.0  # of the plots and the contact strip
_PLOT_EVERY = 4  # refreshes


class PlayPanel:
    """Skills and run controls, and what there is to read of the humanoid that the view follows."""

    tracks = False

    def __init__(self, server: viser.ViserServer, rollout: LiveRollout):
        self._server, self._rollout = server, rollout
        self._moment: Moment | None = None
        self._contacts: deque[tuple[bool, bool]] = deque()
        self._refreshes = 0
        gui = server.gui
        self._head = gui.add_html("")
        self._strip = gui.add_html("")
        actions = rollout.actions
        follow = Action("follow", self._toggle_follow, "f")
        add_keys(server, rollout.controls, [*actions, follow])
        with gui.add_folder("skills"):
            self._skills = {
                action.skill: add_button(server, rollout.controls, action)
                for action in actions
                if action.skill is not None
            }
        for action in actions:
            if action.skill is None:
                add_button(server, rollout.controls, action)
        self._follow = gui.add_checkbox("camera follows  (F)", True)
        self._figure = gui.add_slider("humanoid", 1, max(rollout.figures, 2), 1, 1, visible=rollout.figures > 1)
        self._rewards: LivePlot | None = None

    @property
    def followed(self) -> int | None:
        return self._figure.value - 1 if self._follow.value else None

    def begin(self, setup: Setup) -> None:
        steps = round(_SECONDS / setup.dt)
        self._contacts = deque(maxlen=steps)
        if self._rewards is None:
            self._rewards = LivePlot(self._server, "reward terms", steps)

    def note(self, moments: Sequence[Moment]) -> None:
        moment = moments[min(self._figure.value, len(moments)) - 1]
        self._moment = moment
        self._contacts.append((moment.label, moment.touch))
        if self._rewards is not None and moment.reward is not None:
            self._rewards.add(moment.time, {"reward": moment.reward, **moment.reward_terms})

    def refresh(self, pacer: Pacer) -> None:
        if self._moment is None:
            return
        self._head.content = _head(self._moment, self._state(pacer))
        assert self._contacts.maxlen is not None
        on = np.zeros((2, self._contacts.maxlen), dtype=bool)
        on[:, -len(self._contacts) :] = np.array(self._contacts).T
        self._strip.content = strip_html(on, on.shape[1])
        for skill, button in self._skills.items():
            button.color = "green" if skill == self._moment.skill_id else None
        self._refreshes += 1
        if self._rewards is not None and self._refreshes % _PLOT_EVERY == 0:
            self._rewards.refresh()

    def _state(self, pacer: Pacer) -> str:
        if not self._rollout.playing:
            return "paused"
        if pacer.late:
            return f"falls behind: {pacer.rate:.2f} of real time ({pacer.steps_per_second:.0f} steps/s)"
        return "real time"

    def _toggle_follow(self) -> None:
        self._follow.value = not self._follow.value


def _head(moment: Moment, state: str) -> str:
    reward = "" if moment.reward is None else f"reward {moment.reward:.3f}, "
    return (
        '<div style="padding:0.2em 0.6em">'
        f'<div style="font-size:1.4em;font-weight:600" class="skill">{moment.skill}</div>'
        f'<div style="font-size:0.85em">{moment.caption}</div>'
        f'<div style="font-size:0.85em"><span class="time">{moment.time:.2f}</span> s, {reward}'
        f'<span class="state">{state}</span></div></div>'
    )
