"""The browser of the tests, where it does not start."""

import os

import pytest

from tests import browser

pytestmark = pytest.mark.once


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_browser_that_does_not_start_leaves_nothing_behind(monkeypatch, tmp_path):
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    monkeypatch.setattr(browser, "PROGRAM", str(silent))
    monkeypatch.setattr(browser, "SECONDS", 0.1)
    before = os.listdir("/proc/self/fd")
    started = browser.Browser(tmp_path)
    with pytest.raises(TimeoutError):
        started.__enter__()
    assert started._process.poll() is not None
    assert len(os.listdir("/proc/self/fd")) == len(before)
