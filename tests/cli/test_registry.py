"""`zoo registry`, on a store of its own."""

import json

import pytest

from tests.tracking.conftest import FakeCard
from zoo.cli import main
from zoo.cli.verbs import registry as verb
from zoo.tracking import Gate, registry

pytestmark = pytest.mark.once


@pytest.fixture
def registered(client):
    """Two versions of `tiny`, of which the second is worse, and nothing else."""
    from mlflow.entities import Metric, Param

    for value, units in ((0.9, 32), (0.85, 16)):
        run = client.create_run("0").info.run_id
        client.log_batch(run, params=[Param("model.units", str(units)), Param("seed", "1")])
        model = client.create_logged_model("0", source_run_id=run).model_id
        metric = Metric("dev/accuracy", value, 0, 0, model_id=model, run_id=run)
        client.log_batch(run, metrics=[metric])
        client.finalize_logged_model(model, "READY")
        gate = Gate("accuracy", 0.8).check({"accuracy": value})
        registry.register(
            client, f"models:/{model}", "tiny", FakeCard(), gate, run_id=run, dataset_digest="d"
        )
    return client


def test_ls_and_show(registered, capsys):
    assert main(["registry", "ls"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1].split()[:3] == ["tiny", "text_classifier", "2"]
    assert "version 1: accuracy 0.9 ≥ 0.8 " in said and "version 2: accuracy 0.85 ≥ 0.8 " in said
    assert main(["registry", "show", "tiny"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[1]: line for line in lines if line[:1] in ("1", "2")}
    assert "first to pass the gate" in rows["champion"] and "is better" in rows["challenger"]
    assert main(["registry", "show", "models:/tiny@challenger"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("tiny version 2\nA tiny model.") and "models:/tiny/2 …" in said
    assert main(["registry", "ls", "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)
    assert model["champion"]["metrics"] == {"dev/accuracy": 0.9} and model["versions"] == 2


def test_ls_shows_the_headline_metric_of_the_task():
    metrics = {"test/perplexity": 6.2, "test/bleu": 36.5, "dev/bleu": 37.2}
    version = {"version": 1, "gate": "", "metrics": metrics}
    assert verb._in_brief(version, "seq2seq_lm") == "version 1: test/bleu 36.5"
    assert verb._in_brief(version, "causal_lm") == "version 1: test/perplexity 6.2"
    assert verb._in_brief(version, "a_task_of_others") == "version 1"


def test_compare(registered, capsys):
    assert main(["registry", "compare", "tiny"]) == 0
    said = capsys.readouterr().out
    assert "1 (champion)" in said and "2 (challenger)" in said
    assert ["dev/accuracy", "0.9000", "0.8500", "-0.0500"] in map(str.split, said.splitlines())
    assert ["model.units", "32", "16"] in map(str.split, said.splitlines())
    assert "seed" not in said
    assert main(["registry", "compare", "tiny", "2", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"] == {"dev/accuracy": [0.85, 0.9]} and found["same_data"]


def test_promote_and_rollback(registered, capsys):
    assert main(["registry", "promote", "tiny", "2"]) == 1
    assert "next: zoo registry promote tiny 2 --force" in capsys.readouterr().err
    assert main(["registry", "promote", "tiny", "2", "--force", "--reason", "small"]) == 0
    assert "tiny version 2 is the champion: decided by hand (small)" in capsys.readouterr().out
    assert main(["registry", "rollback", "tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["uri"] == "models:/tiny@champion"


@pytest.mark.parametrize(
    "words, code, message",
    [
        (["promote", "tiny"], 2, "is written zoo registry promote NAME VERSION"),
        (["ls", "--force"], 2, "--force and --reason are for promote and rollback"),
        (["compare", "tiny", "1"], 2, "Give two or more versions"),
        (["show", "tyni"], 1, "There is no registered model `tyni`. Did you mean `tiny`?"),
        (["show", "tiny/7"], 1, "tiny has the versions 1, 2, challenger, champion. Received: 7"),
        (["compare", "tiny", "best", "1"], 1, "Received: best"),
    ],
)
def test_wrong_use(registered, words, code, message, capsys):
    assert main(["registry", *words]) == code
    assert message in capsys.readouterr().err


def test_empty_registry(client, capsys):
    assert main(["registry", "ls"]) == 0
    assert "next: zoo presets import" in capsys.readouterr().err
