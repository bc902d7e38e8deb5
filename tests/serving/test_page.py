"""The page of `zoo serve` in Chromium: a text is typed, answered, and explained."""

import json
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.browser import MISSING, Browser, is_blank

pytestmark = [pytest.mark.once, pytest.mark.skipif(bool(MISSING), reason=MISSING)]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A browser at the page of a served model."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "zoo.cli", "serve", "bilstm_bahdanau_sst2_en"]
    command += ["--port", str(port), "--no-warm-up", "--max-megabytes", "1"]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server,
        Browser(tmp_path_factory.mktemp("profile")) as browser,
    ):
        try:
            assert "is ready" in server.stderr.readline()
            browser.open(f"http://127.0.0.1:{port}/")
            browser.wait_for("bilstm_bahdanau_sst2_en", "text classifier", "Answer", "Explain")
            yield SimpleNamespace(browser=browser, pictures=tmp_path_factory.mktemp("pictures"))
        finally:
            server.send_signal(signal.SIGTERM)


def type_and_press(page, text, button):
    page.browser.run(f"document.getElementById('value').value = {json.dumps(text)}")
    page.browser.run(f"document.querySelector({json.dumps(button)}).click()")


def test_answers_are_drawn(page):
    type_and_press(page, "A gripping film.\nNot worth your time.", "button[type=submit]")
    page.browser.wait_until("document.querySelectorAll('#answers tr').length === 3")
    cells = page.browser.run(
        "[...document.querySelectorAll('#answers tr')].map(row => "
        "[...row.cells].map(cell => cell.innerText))"
    )
    assert cells[0] == ["input", "label", "probability", "probabilities"]
    assert [row[:2] for row in cells[1:]] == [
        ["A gripping film.", "positive"],
        ["Not worth your time.", "negative"],
    ]
    assert all(0.5 < float(row[2]) <= 1 for row in cells[1:])
    assert "negative 0." in cells[1][3] and "positive 0." in cells[1][3]
    widths = page.browser.run("[...document.querySelectorAll('.bar')].map(it => it.offsetWidth)")
    assert widths[0] < 10 < 50 < widths[1] and widths[3] < 50 < widths[2]
    assert not is_blank(page.browser.screenshot(page.pictures / "answers.png"))


def test_explanation_is_drawn(page):
    type_and_press(page, "Not worth your time.", "#explain")
    text = page.browser.wait_for("worth", "negative", "Without")
    assert not page.browser.run("document.getElementById('picture').hidden"), text
    assert not is_blank(page.browser.screenshot(page.pictures / "explanation.png"))


def test_error_of_the_server_is_told(page):
    type_and_press(page, "word", "button[type=submit]")
    page.browser.wait_until("document.querySelectorAll('#answers tr').length === 2")
    type_and_press(page, "word " * 250_000, "button[type=submit]")
    page.browser.wait_for("1,000,000 bytes")
    assert page.browser.run("document.querySelectorAll('#answers tr').length") == 0
