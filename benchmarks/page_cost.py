"""What a page adds to a control step while nobody looks on: processor time of all threads, both in one run.

    python -m hoigym.benchmarks.page_cost [--motion_file DIR] [--steps 300]

One humanoid with free fingers acts feed-forward before the page of play, first alone, then with its reference as a
ghost and boxes to throw.
"""

import argparse
import time
from unittest import mock

import torch
import viser

from hoigym.envs.make import make_env, task_config
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.viewer.browser.play_panel import PlayPanel
from hoigym.viewer.browser.window import BrowserViewer, Panel, open_server
from hoigym.viewer.controls import Controls
from hoigym.viewer.rollout import LiveRollout

_WARM_UP, _BOXES = 20, 4


class _Audience(BrowserViewer):
    """Looks on for so many steps."""

    def __init__(self, server: viser.ViserServer, panel: Panel, steps: int):
        super().__init__(server, panel)
        self._left = steps

    @property
    def closed(self) -> bool:
        self._left -= 1
        return self._left < 0


def profile(env: HOIVectorEnv, steps: int, ghost: bool) -> tuple[float, float]:
    """Processor seconds of the environment and of the page, per control step."""
    begins, ends = [], []

    def step(actions: torch.Tensor):
        begins.append(time.process_time())
        result = HOIVectorEnv.step(env, actions)
        ends.append(time.process_time())
        return result

    rollout = LiveRollout(env, lambda _: env.reference_actions(), Controls(), ghost=ghost)
    server = open_server("127.0.0.1", 0)
    viewer = _Audience(server, PlayPanel(server, rollout), _WARM_UP + steps + 1)
    with mock.patch.object(env, "step", step):
        rollout.run(viewer)
    viewer.close()
    inside = sum(end - begin for begin, end in zip(begins[_WARM_UP:-1], ends[_WARM_UP:-1], strict=True))
    return inside / steps, (begins[-1] - begins[_WARM_UP] - inside) / steps


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--motion_file", default="", help="clip directory; the demo clips if left out")
    parser.add_argument("--steps", type=int, default=300, help="control steps of each row")
    options = parser.parse_args()
    torch.set_num_threads(1)  # others would wait, and what they wait counts
    print("| shown | environment [ms] | page [ms] | page / environment |")
    print("|---|---|---|---|")
    for boxes, shown in ((0, "one humanoid"), (_BOXES, f"and its reference as a ghost, and {_BOXES} boxes")):
        env = make_env(
            task_config(
                "ballplay",
                num_envs=1,
                threads=1,
                motion_file=options.motion_file,
                scene={"projectiles": {"count": boxes}},
                episode={"length": 10**6, "stop_at_clip_end": False, "fall_height": None},
            )
        )
        step, page = profile(env, options.steps, ghost=bool(boxes))
        print(f"| {shown} | {1000 * step:.1f} | {1000 * page:.1f} | {page / step:.2f} |", flush=True)
        env.close()


if __name__ == "__main__":
    main()
