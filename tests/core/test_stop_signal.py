import os
import signal

import pytest

from hoigym.core.processes import Stopped, StopSignal


def test_the_first_signal_is_noted_and_told_with_the_thing_under_way(capfd: pytest.CaptureFixture[str]) -> None:
    earlier = signal.getsignal(signal.SIGTERM)
    with StopSignal("epoch") as stop:
        stop.check()
        stop.what = "step"
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is earlier
        with pytest.raises(Stopped):
            stop.check()
    assert capfd.readouterr().err == "stopping after this step; a second signal stops at once\n"
