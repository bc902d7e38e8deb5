"""The pages of `zoo ui` in Chromium: what a person sees of runs, charts, artifacts and versions."""

import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

import zoo
from tests.browser import MISSING, Browser, is_blank
from zoo.cli.verbs import presets
from zoo.explain import Alignment

pytestmark = [pytest.mark.once, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

NAMES = ("bilstm_bahdanau_imdb_en", "bilstm_bahdanau_nsmc_ko", "bilstm_bahdanau_sst2_en")
DRAWN = "document.querySelectorAll('.js-plotly-plot .main-svg').length > 0"


@pytest.fixture(scope="module")
def shown(tmp_path_factory, empty_store):
    """A browser, and `zoo ui` with three published models, one with an attention map more."""
    from mlflow import MlflowClient

    from zoo.tracking import prepare_store

    home = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shutil.copytree(empty_store, home / "runs")
        client = MlflowClient(prepare_store())
        cards = {card.name: card for card in zoo.list_models()}
        runs = {it.card.name: it.run_id for it in presets.enter([cards[name] for name in NAMES])}
        weights = [[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.1, 0.2, 0.7]]
        alignment = Alignment(["Ein", " alter", " Mann"], ["An", " old", " man"], weights)
        client.log_text(runs[NAMES[0]], alignment.to_html(), "attention/01.html")
        experiment = client.get_experiment_by_name("sentiment").experiment_id
        command = [sys.executable, "-m", "zoo.cli", "ui", "--no-browser"]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
            Browser(tmp_path_factory.mktemp("profile")) as browser,
        ):
            try:
                start = server.stdout.readline().rpartition(" ")[2].strip()
                yield SimpleNamespace(
                    browser=browser,
                    start=start,
                    address=start.partition("#")[0],
                    runs=runs,
                    page=f"experiments/{experiment}/runs/{runs[NAMES[0]]}",
                    experiment=experiment,
                    cards=cards,
                    pictures=tmp_path_factory.mktemp("pictures"),
                )
            finally:
                server.send_signal(signal.SIGTERM)


def look(shown, name, page, *words, drawn="true"):
    """Opens a page, waits for its words and its drawing, and returns its text."""
    shown.browser.open(f"{shown.address}#/{page}" if "#" not in page else page)
    text = shown.browser.wait_for(*words)
    shown.browser.wait_until(drawn)
    assert not is_blank(shown.browser.screenshot(shown.pictures / f"{name}.png"))
    assert "assistant" not in text.lower()  # MLflow's panel with a shell stays shut
    assert "Prompts" not in text  # the mode is that of training
    return text


def test_table_of_runs_has_names_and_metrics(shown):
    text = look(shown, "runs", shown.start, *NAMES, "3 matching runs", "0.8964", "0.8761")
    assert "imdb (" in text and "dev/accuracy" in text and "Traceback" not in text


def test_charts_of_a_run_are_drawn(shown):
    text = look(shown, "charts", f"{shown.page}/model-metrics", "accuracy", "loss", drawn=DRAWN)
    assert NAMES[0] in text and "macro_f1" in text


def test_attention_map_is_drawn(shown):
    page = f"{shown.page}/artifacts/attention/01.html"
    text = look(shown, "map", page, "Ein alter Mann → An old man")
    assert "0.80" in text and "attention/01.html" in text and "card.md" in text


def test_registered_version_shows_its_card(shown):
    card = shown.cards[NAMES[0]]
    text = look(shown, "version", f"models/{card.name}/versions/1", "Version 1", card.sha256)
    assert card.description.split("\n")[0] in text and "Aliases" in text
    assert f"{card.parameters:,} parameters" in text and "0.8964" in text


def test_three_runs_are_compared(shown):
    ids = ",".join(f'"{it}"' for it in shown.runs.values())
    page = f'compare-runs?runs=[{ids}]&experiments=["{shown.experiment}"]'
    look(shown, "comparison", page, "Comparing 3 Runs", *NAMES, "data.name", drawn=DRAWN)
