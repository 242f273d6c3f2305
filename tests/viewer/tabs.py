"""Browsers for tests: headless Chromium, driven by selenium."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from hoigym.viewer.base import Moment
from hoigym.viewer.browser.window import BrowserViewer, address, open_server

PATIENCE = 600.0
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=640,480",
)


def open_browser() -> Any:
    """A headless browser; the test is skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    binary = next(filter(None, map(shutil.which, _BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no browser: chromium and chromedriver are not installed (Debian: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for option in _OPTIONS:
        options.add_argument(option)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    # Else a call that a busy browser answers late ends at selenium's own limit of two minutes.
    browser.command_executor.client_config.timeout = PATIENCE
    browser.set_script_timeout(PATIENCE)
    browser.set_page_load_timeout(PATIENCE)
    return browser


class LeavingViewer(BrowserViewer):
    """A page that a test can close."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.leave = threading.Event()
        self.shown: list[Sequence[Moment]] = []

    def show(self, moments: Sequence[Moment]) -> None:
        self.shown.append(moments)
        super().show(moments)

    @property
    def closed(self) -> bool:
        return self.leave.is_set()


@contextmanager
def page(session: Any, panel: Callable[[Any], Any]) -> Iterator[tuple[str, LeavingViewer]]:
    """Serves a session from another thread; its address and its viewer."""
    server = open_server("127.0.0.1", 0)
    viewer = LeavingViewer(server, panel(server))
    thread = threading.Thread(target=session.run, args=(viewer,), daemon=True)
    thread.start()
    try:
        yield address(server), viewer
    finally:
        viewer.leave.set()
        thread.join(PATIENCE)
        viewer.close()


def until(what: Callable[[], Any], message: str = "", patience: float = PATIENCE) -> Any:
    """Waits for something to be true and returns it."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(message or "waited in vain")


def text(browser: Any) -> str:
    """All that can be read on a page."""
    return browser.execute_script("return document.body.innerText")


def press(browser: Any, key: str, seconds: float = 0.0) -> None:
    """Presses a key of the page as a whole, and holds it so long."""
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).key_down(key).pause(seconds).key_up(key).perform()


def hold(browser: Any, key: str, code: int, times: int) -> None:
    """Holds a key, of this name and code in a browser, until the keyboard has repeated it so many times."""
    event = {"key": key, "windowsVirtualKeyCode": code}
    browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "rawKeyDown", **event})
    for _ in range(times):
        browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "rawKeyDown", "autoRepeat": True, **event})
    browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", **event})


def tick(browser: Any, label: str) -> None:
    """Clicks a checkbox with the mouse, which gives it the focus."""
    from selenium.webdriver.common.action_chains import ActionChains

    box = _field(browser, label)
    ticked = box.is_selected()
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    ActionChains(browser).move_to_element(box).click().perform()
    until(lambda: box.is_selected() != ticked)


def click(browser: Any, label: str) -> None:
    """Clicks the button on which label stands, once there is exactly one."""
    script = """
        const found = [...document.querySelectorAll('button')].filter(each => each.innerText.includes(arguments[0]));
        if (found.length == 1) found[0].click();
        return found.length == 1;"""
    until(lambda: browser.execute_script(script, label), f"not one button '{label}'")


def value(browser: Any, label: str) -> str:
    """What stands in the number beside a slider."""
    return _field(browser, label).get_attribute("value")


def slide(browser: Any, label: str, value: int) -> None:
    """Types a value into the number beside a slider that nothing else moves meanwhile."""
    from selenium.webdriver.common.keys import Keys

    field = _field(browser, label)
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(str(value), Keys.ENTER)
    browser.execute_script("document.activeElement.blur()")


def choose(browser: Any, label: str, option: str) -> None:
    """Opens a dropdown and takes the option that contains a text."""
    script = f"""{_BESIDE}
        const field = beside(arguments[0], 'input');
        if (!field) return false;
        if (field.getAttribute('aria-expanded') != 'true') {{
            // A list whose field is scrolled out of sight is hidden.
            field.scrollIntoView({{block: 'center'}});
            field.click();
            return false;
        }}
        // The list of another field may still be closing, with the same options.
        const list = document.getElementById(field.getAttribute('aria-controls'));
        const options = list ? [...list.querySelectorAll('[role=option]')].filter(each => each.offsetParent) : [];
        const found = options.filter(each => each.innerText.includes(arguments[1]));
        if (found.length) found[0].click();
        return found.length > 0;"""
    until(lambda: browser.execute_script(script, label, option), f"no option '{option}'")
    browser.execute_script("document.activeElement.blur()")


@contextmanager
def new_tab(browser: Any, url: str) -> Iterator[None]:
    """Another tab, closed afterwards."""
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    try:
        browser.get(url)
        yield
    finally:
        browser.close()
        browser.switch_to.window(first)


# The element that stands in the same row as a label.
_BESIDE = """
    const beside = (text, selector) => {
        const labels = [...document.querySelectorAll('label')].filter(each => each.innerText.trim() == text);
        for (const label of labels) {
            for (let row = label.parentElement; row; row = row.parentElement) {
                const found = row.querySelector(selector);
                if (found) return found;
            }
        }
        return null;
    };"""


def _field(browser: Any, label: str) -> Any:
    script = f"{_BESIDE} return beside(arguments[0], 'input:not([type=hidden])');"
    return until(lambda: browser.execute_script(script, label), f"nothing labelled '{label}'")
