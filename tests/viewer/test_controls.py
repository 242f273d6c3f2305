"""What is asked for, and the keys to ask for it."""

import threading

from hoigym.viewer.controls import Controls, key_label, skill_keys
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


def test_the_keys_are_those_of_the_released_system():
    keys = {key: skill for skill, key in skill_keys("mocap", [0, 1, 9, 10, 11, 12, 13, 31])}
    published = {"arrowleft": 11, "arrowup": 13, "arrowright": 12, "w": 9, "e": 31, "q": 1, "0": 0, "1": 10}
    assert published.items() <= keys.items()


def test_a_shot_key_asks_for_the_shot_that_is_known():
    assert dict(skill_keys("mocap", [13, 2]))[2] == "w"
    assert dict(skill_keys("mocap", [13]))[9] == "w"


def test_known_skills_without_a_key_come_last():
    listed = skill_keys("mocap", [13, 16, 22])
    assert listed[-2:] == [(16, None), (22, None)]
    assert skill_keys("unheard of", [3]) == [(3, None)]


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
