"""The commands before an audience, as programs."""

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from hoigym.commands.audience import AudienceConfig, attend
from hoigym.motions.demo import CLIP_DIR
from hoigym.viewer.browser.replay_panel import ReplayPanel
from hoigym.viewer.clip_session import ClipSession
from hoigym.viewer.controls import Controls
from tests.motions.clips import random_clip
from tests.viewer.tabs import PATIENCE

ROOT = Path(__file__).parents[2]


def _started(command: list[str]) -> subprocess.Popen[str]:
    """The command, answering Ctrl-C even where these tests run in the background of a shell, which ignores it."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.slow
def test_a_page_is_served_until_ctrl_c():
    command = [sys.executable, "run.py", "replay", "--motion_file", str(CLIP_DIR), "--port", "0"]
    run = _started(command)
    assert run.stdout is not None
    line = run.stdout.readline()
    found = re.match(r"open (http://127\.0\.0\.1:\d+) in a browser; Ctrl-C ends", line)
    assert found, line
    assert urllib.request.urlopen(found[1], timeout=PATIENCE).status == 200
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=PATIENCE)
    assert (out, err, run.returncode) == ("stopped\n", "", 0)


@pytest.mark.slow
def test_opening_the_page_to_others_warns():
    command = [sys.executable, "run.py", "replay", "--motion_file", str(CLIP_DIR), "--port", "0", "--host", "0.0.0.0"]
    run = _started(command)
    assert run.stdout is not None
    assert run.stdout.readline().startswith("open http://127.0.0.1:")
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=PATIENCE)
    assert err.startswith("warning: the page is open to everyone who can reach 0.0.0.0")
    assert err.count("\n") == 1


def test_ctrl_c_as_soon_as_the_address_is_told_closes_the_page(monkeypatch: pytest.MonkeyPatch):
    told = []

    def tell(line: str, **_: object) -> None:
        told.append(line)
        if line.startswith("open "):
            raise KeyboardInterrupt

    monkeypatch.setattr("hoigym.commands.audience.print", tell, raising=False)
    session = ClipSession([random_clip(frames=5)], Controls())
    attend(AudienceConfig(port=0), session, lambda server: ReplayPanel(server, session))
    assert told[1:] == ["stopped"]
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(told[0].split()[1], timeout=PATIENCE)
