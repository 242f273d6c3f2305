"""The top of a panel."""

from dataclasses import replace

from hoigym.viewer.browser.widgets import head_html
from tests.viewer.moments import moment


def test_a_name_is_shown_and_never_run():
    page = head_html(replace(moment(0), caption="<img src=x onerror=alert()>  frame 0"), "1 < 2")
    assert "&lt;img src=x onerror=alert()&gt;  frame 0" in page
    assert "1 &lt; 2" in page
    assert ">drop</div>" in page
    assert "<img" not in page
