"""What is asked for, and the keys to ask for it."""

import threading

from hoigym.viewer.controls import Controls, key_label
from tests.viewer.tabs import PATIENCE


def test_deeds_are_done_in_order_by_the_one_who_carries_them_out():
    controls, done = Controls(), []
    controls.ask(lambda: done.append(("first", threading.current_thread())))
    asking = threading.Thread(target=lambda: controls.ask(lambda: done.append(("second", threading.current_thread()))))
    asking.start()
    asking.join()
    assert done == []
    assert controls.carry_out()
    assert done == [("first", threading.current_thread()), ("second", threading.current_thread())]
    assert not controls.carry_out()


def test_waiting_ends_when_something_is_asked_for():
    controls, done = Controls(), []
    loop = threading.Thread(target=controls.carry_out, kwargs={"wait": 10**6}, daemon=True)
    loop.start()
    controls.ask(lambda: done.append(1))
    loop.join(PATIENCE)
    assert not loop.is_alive()
    assert done == [1]
    assert not controls.carry_out(wait=0.01)


def test_labels_say_the_key():
    assert key_label("w") == "W"
    assert key_label("arrowleft") == "\u2190"


def test_what_is_asked_for_meanwhile_waits_for_the_next_time():
    controls, done = Controls(), []

    def again() -> None:
        done.append(len(done))
        controls.ask(again)

    controls.ask(again)
    controls.carry_out()
    assert done == [0]
    controls.carry_out()
    assert done == [0, 1]
