"""Runs of a recipe: result, tracking, interruption, errors."""

import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import zoo
from recipes import sentiment
from recipes.sentiment.recipe import SentimentRecipe
from tests.stated import statements
from zoo.tracking import StoreError
from zoo.training import loop
from zoo.training import run as run_recipe
from zoo.training.checkpoint import Checkpoint, CheckpointError, TrainerState
from zoo.training.config import ConfigError
from zoo.training.loop import TrainingError
from zoo.training.schema import DataConfig


def checkpoints(home):
    folder = home / "checkpoints"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def only_run(client):
    (experiment,) = client.search_experiments(filter_string="name = 'sentiment'")
    (run,) = client.search_runs([experiment.experiment_id])
    return run


@pytest.mark.once
def test_quickstart_reaches_its_gate(client, home, tmp_path, capsys):
    """The quickstart learns word order, registers its model and writes a preset."""
    began = time.perf_counter()
    result = run_recipe(sentiment.RECIPE, "quickstart", output=tmp_path / "preset", progress=False)
    seconds = time.perf_counter() - began
    print(f"{keras.config.backend()}: {seconds:.0f} s")
    assert result.metrics["dev/accuracy"] >= 0.95 and result.metrics["test/accuracy"] >= 0.95

    run = client.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["model.pooling"] == "bahdanau" and run.data.params["seed"] == "1"
    tags = run.data.tags
    assert tags["recipe"] == "sentiment/quickstart" and tags["task"] == "text_classifier"
    assert tags["backend"] == keras.config.backend() and tags["gate"].endswith("passed")
    for metric in ("train/loss", "train/accuracy", "progress/tokens_per_second"):
        history = client.get_metric_history(run.info.run_id, metric)
        assert [point.step for point in history] == [1, 2, 3, 4, 5, 6]
    files = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"config.yaml", "samples.json", "figures", "attention"} <= files

    assert result.registered.champion and result.registered.version == 1
    again = zoo.load("models:/quickstart@champion")
    stated = [it for it in statements() if it.model == "models:/quickstart@champion"]
    assert len(stated) == 2  # of the tour and of the README
    for statement in stated:
        answers = tuple(answer.label for answer in again.infer(list(statement.texts)))
        assert answers == statement.answers
    assert again.preprocessor.tokenizer.pieces("The plot was not bad at all.") == (
        "The| plot| was| not| bad| at| all|.".split("|")
    )
    texts = ["The plot was not bad, and the cast was good.", "It was good, not bad.", "", "🎬"]
    for one, other in zip(result.model.infer(texts), again.infer(texts), strict=True):
        assert one.label == other.label
        assert one.probability == pytest.approx(other.probability, abs=1e-5)

    card = zoo.presets.read_card(tmp_path / "preset")
    assert card == result.card and card.metrics == result.metrics
    assert card.training["command"] == (
        f"zoo run sentiment/quickstart --backend {keras.config.backend()}"
    )
    assert zoo.load(tmp_path / "preset").infer(texts[:1])[0].label == "positive"
    assert checkpoints(home) == []
    captured = capsys.readouterr()
    assert "registered: quickstart version 1, champion: first to pass the gate" in captured.out
    assert 'next: zoo infer models:/quickstart@champion "…"' in captured.out
    assert len([line for line in captured.err.splitlines() if line.startswith("epoch ")]) == 6


@pytest.mark.once
def test_failed_gate_registers_nothing(run, client, capsys):
    behaviour = ["evaluation.behaviour=true", "evaluation.behaviour_gate=0.01"]
    result = run("evaluation.gate=1.01", "training.max_steps=1", *behaviour)
    assert [gate.passed for gate in result.gates] == [False, True]
    assert [gate.passed for gate in result.gates] == [False, True] and result.registered is None
    assert client.search_registered_models() == []
    assert zoo.load(result.model_uri).infer(["a"])[0].label in ("negative", "positive")
    shown = capsys.readouterr().out
    assert "gate: accuracy" in shown and "gate: behaviour/accuracy" in shown

    assert result.card.behaviour["dataset"] == "behaviour_en"
    right = [kind["right"] for kind in result.card.behaviour["kinds"].values()]
    logged = client.get_run(result.run_id).data
    assert logged.metrics["behaviour/accuracy"] == pytest.approx(sum(right) / 262)
    assert logged.metrics["behaviour/negation"] == pytest.approx(right[1] / 28)
    assert logged.tags["gate"].endswith("passed") and "failed; behaviour" in logged.tags["gate"]
    files = {item.path for item in client.list_artifacts(result.run_id)}
    assert {"behaviour.json", "behaviour_mistakes.json"} <= files


@pytest.mark.once
def test_behaviour_of_unknown_labels_and_languages_is_refused_before_training(run, tmp_path):
    file = tmp_path / "mine.csv"
    rows = [f"{i}{i} 😀,{'up' if i % 2 else 'down'}" for i in range(20)]
    file.write_text("\n".join(["text,label", *rows]))
    mine = [f"data={{name: null, train: {file}}}", "evaluation.behaviour=true"]
    with pytest.raises(ConfigError) as raised:
        run(*mine)
    first, second = raised.value.mistakes
    assert "Set behaviour=en or behaviour=ko" in first
    assert "evaluation.behaviour_labels: {negative: LABEL, positive: LABEL}" in second
    with pytest.raises(ConfigError, match="behaviour_gate needs the behaviour"):
        run("evaluation.behaviour_gate=0.9")


def test_same_seed_gives_the_same_numbers(run):
    options = ["training.max_steps=3", "tokenizer.sampling=0.2"]
    one, same = run(*options), run(*options)
    assert one.metrics == same.metrics
    for found, expected in zip(one.model.get_weights(), same.model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.once
def test_another_seed_gives_other_numbers(run):
    one, other = (run("training.max_steps=1", f"seed={seed}") for seed in (1, 2))
    assert one.metrics != other.metrics


@pytest.mark.parametrize(
    "precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.once)]
)
def test_mixed_precision_is_stored_as_float32(run, precision):
    result = run(f"training.precision={precision}", "training.max_steps=2", "training.ema=0.9")
    assert result.model.backbone.dtype_policy.name == "float32"
    assert 0 <= result.metrics["dev/accuracy"] <= 1


@pytest.mark.once
@pytest.mark.parametrize(
    "encoder",
    [
        ["model.encoder=transformer", "model.units=8", "model.embedding_dim=8"],
        ["model.encoder=gru", "model.bidirectional=false", "model.pooling=last"],
    ],
)
def test_other_encoders(run, encoder):
    # 100 tokens are padded to 128, for which a Transformer needs positions
    twice = ["training.accumulate=2", "training.r_drop=0.5"]
    result = run(*encoder, *twice, "training.max_steps=2", "model.sequence_length=100")
    (answer,) = result.model.infer(["very " * 200])
    assert answer.label in ("negative", "positive")


@pytest.mark.once
def test_early_stopping_keeps_the_best_epoch(run, client, monkeypatch):
    scores = iter([0.5, 0.6, 0.55, 0.6, 0.9])

    def score(model, columns, batch_size=256):
        return {"accuracy": next(scores), "macro_f1": 0.0, "loss": 0.0}

    monkeypatch.setattr("zoo.models.TextClassifier.score", score)
    result = run("training.epochs=9", "training.patience=2")
    # Epochs 3 and 4 do not exceed the 0.6 of epoch 2; the fifth score is of the stored model.
    assert [point.value for point in client.get_metric_history(result.run_id, "dev/accuracy")] == [
        0.5, 0.6, 0.55, 0.6, 0.9,
    ]  # fmt: skip
    assert result.card.training["best_epoch"] == 2


@pytest.mark.once
@pytest.mark.parametrize(
    "average, stored", [(0.7, "the average of epochs 2 to 3"), (0.6, "epoch 2")]
)
def test_average_of_the_last_epochs_is_one_more_candidate(
    run, client, monkeypatch, capsys, average, stored
):
    scores, weights = iter([0.5, 0.6, 0.4, average, average]), []

    def score(model, columns, batch_size=256):
        weights.append([np.array(weight) for weight in model.get_weights()])
        return {"accuracy": next(scores), "macro_f1": 0.0, "loss": 0.0}

    monkeypatch.setattr("zoo.models.TextClassifier.score", score)
    settings = ("training.epochs=3", "training.average_last=2", "training.ema=0.9")
    result = run(*settings, "model.pooling=mean")  # which has no query to fold
    for averaged, *last in zip(weights[3], *weights[1:3], strict=True):
        np.testing.assert_allclose(averaged, np.mean(last, axis=0), atol=1e-6)
    # The stored model, in half precision, has the weights that the run names.
    best = weights[3] if average == 0.7 else weights[1]
    for found, expected in zip(weights[4], best, strict=True):
        np.testing.assert_allclose(found, expected, rtol=5e-3, atol=1e-4)  # 8 significant bits
    assert client.get_run(result.run_id).data.tags["weights"] == stored
    assert result.card.training.get("averaged_epochs", 0) == (2 if average == 0.7 else 0)
    (point,) = client.get_metric_history(result.run_id, "average/accuracy")
    assert (point.step, point.value) == (3, average)
    assert f"evaluating the stored model, {stored}\n" in capsys.readouterr().err


def test_loss_that_is_not_finite_stops_the_run(run, client, monkeypatch):
    options = SentimentRecipe.compile_options

    def diverging(self, model):
        def loss(truth, logits):
            # NaN once the weights have grown
            large = keras.ops.max(keras.ops.abs(logits)) > 50
            return keras.ops.where(large, np.nan, keras.ops.sum(-truth * logits, axis=-1))

        return options(self, model) | {"loss": loss}

    monkeypatch.setattr(SentimentRecipe, "compile_options", diverging)
    with pytest.raises(TrainingError) as raised:
        run("training.learning_rate=5", "training.checkpoint_every=1", "training.epochs=5")
    message = str(raised.value)
    assert message.startswith("The loss is nan at step ")
    assert "where the learning rate is" in message
    assert "Try a lower training.learning_rate" in message
    entity = only_run(client)
    assert entity.info.status == "FAILED"
    step = Checkpoint(entity.info.run_id).progress().step  # of the last good state
    assert f"step {step + 1} " in message
    assert raised.value.hint.startswith("zoo run sentiment/quickstart --resume ")


def stop_at(step, monkeypatch, error):
    """Makes training raise an error at a step, before the checkpoint of that step."""
    count = loop._Steps.on_train_batch_end

    def raising(self, batch, logs=None):
        if self.step_before + batch + 1 == step:
            raise error
        count(self, batch, logs)

    monkeypatch.setattr(loop._Steps, "on_train_batch_end", raising)


@pytest.mark.once
def test_interruption_before_the_first_checkpoint_leaves_no_files(
    run, client, home, monkeypatch, capsys
):
    stop_at(3, monkeypatch, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert checkpoints(home) == []
    assert only_run(client).info.status == "KILLED"
    assert "to resume" not in capsys.readouterr().err


def test_interrupted_run_is_resumed(run, client, home, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        stop_at(6, patch, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            run("training.checkpoint_every=4")
    run_id = only_run(client).info.run_id
    assert checkpoints(home) == [run_id]
    used = keras.backend.backend()
    command = f"zoo run sentiment/quickstart --resume {run_id[:8]} --backend {used}\n"
    assert command in capsys.readouterr().err

    with monkeypatch.context() as patch:
        patch.setattr("zoo.backends.current", lambda: "another")
        with pytest.raises(ConfigError, match=f"add --backend {used}. Received: backend=another"):
            run_recipe(sentiment.RECIPE, "quickstart", resume=run_id)
    with pytest.raises(ConfigError) as raised:
        run_recipe(sentiment.RECIPE, "quickstart", ["model.units=9", "seed=3"], resume=run_id)
    assert [mistake.partition(";")[0] for mistake in raised.value.mistakes] == [
        "model.units: a resumed run cannot change it",
        "seed: a resumed run cannot change it",
    ]
    with pytest.raises(ConfigError, match="belongs to sentiment/quickstart: name that recipe"):
        run_recipe(sentiment.RECIPE, "bilstm_bahdanau_nsmc_ko", resume=run_id)
    with pytest.raises(ConfigError, match="leave it accuracy. Received: loss"):
        run_recipe(sentiment.RECIPE, "quickstart", ["evaluation.metric=loss"], resume=run_id)
    with pytest.raises(
        CheckpointError, match=f"with a checkpoint: {run_id}. Received: resume='zzz'"
    ):
        run_recipe(sentiment.RECIPE, "quickstart", resume="zzz")
    with monkeypatch.context() as patch:
        patch.setattr(
            DataConfig,
            "load",
            lambda self, seed: zoo.data.load(
                "generated_reviews", train=200, dev=40, test=20, seed=9
            ),
        )
        with pytest.raises(CheckpointError, match="The data has changed since"):
            run_recipe(sentiment.RECIPE, "quickstart", resume=run_id)
    assert checkpoints(home) == [run_id]

    result = run_recipe(sentiment.RECIPE, "quickstart", ["training.epochs=3"], resume=run_id[:8])
    assert result.run_id == run_id and checkpoints(home) == []
    assert "resuming in epoch 1, after step 4" in capsys.readouterr().err
    losses = client.get_metric_history(run_id, "train/loss")
    assert [point.step for point in losses] == [1, 2, 3]
    assert client.get_run(run_id).info.status == "FINISHED"


@pytest.mark.once
def test_output_must_be_empty(run, client, tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="a new or empty directory. Received: "):
        run(output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert client.search_experiments(filter_string="name = 'sentiment'") == []


@pytest.mark.once
def test_unreachable_server_is_reported_before_training(home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="MLFLOW_TRACKING_URI=http://127.0.0.1:9"):
        run_recipe(sentiment.RECIPE, "quickstart")
    assert checkpoints(home) == []


@pytest.mark.once
@pytest.mark.parametrize(
    "rows, message",
    [
        ([("good", "x"), ("bad", "x")], "rows of at least two classes"),
        ([], "no rows"),
    ],
)
def test_files_without_two_classes_are_refused(run, client, tmp_path, rows, message):
    file = tmp_path / "mine.tsv"
    file.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))
    with pytest.raises(ValueError, match=message):
        run("data={name: null, train: " + str(file) + "}")
    assert client.search_experiments(filter_string="name = 'sentiment'") == []


@pytest.mark.once
def test_missing_test_split(run):
    with pytest.raises(ValueError, match="no rows in its test split: set evaluation.test=false"):
        run("data.options.test=0", "evaluation.test=true")


@pytest.mark.once
def test_user_files(run, client, tmp_path, capsys):
    reviews = zoo.data.load("generated_reviews", train=60, dev=10, test=0).splits["train"]
    file = tmp_path / "mine.csv"
    rows = [
        f'"{t}",{label[:3]}' for t, label in zip(reviews["text"], reviews["label"], strict=True)
    ]
    file.write_text("\n".join(["review,verdict", *rows]))
    result = run(
        f"data={{name: null, train: {file}, text: review, label: verdict}}",
        "training.max_steps=2",
        "training.class_weights={pos: 2.5}",
        "evaluation.calibrate=true",
    )
    assert result.model.labels == ("neg", "pos") and result.card.dataset == "mine"

    said = capsys.readouterr().err
    assert "weights in the loss: neg 1, pos 2.5" in said and "calibrated on dev: temper" in said
    logged = client.get_run(result.run_id).data.metrics
    assert result.model.temperature == logged["calibration/temperature"] != 1
    assert logged["calibration/ece_after"] == pytest.approx(result.metrics["dev/ece"], abs=1e-3)
    assert logged["calibration/loss_after"] <= logged["calibration/loss_before"]
    files = {item.path for item in client.list_artifacts(result.run_id)}
    assert "class_weights.json" in files
    figures = {item.path for item in client.list_artifacts(result.run_id, "figures")}
    assert "figures/reliability.png" in figures
    refused = r"name labels of mine, which are neg, pos.*\['pas', 'x'\]"
    with pytest.raises(ConfigError, match=refused):
        run(
            f"data={{name: null, train: {file}, text: review, label: verdict}}",
            "training.class_weights={pas: 2, neg: 1, x: 1}",
        )


@pytest.mark.once
@pytest.mark.parametrize(
    "progress, expected",
    [
        (TrainerState(epoch=0), False),
        (TrainerState(epoch=5, best_epoch=4), True),
        (TrainerState(epoch=3, best_epoch=1), False),
        (TrainerState(epoch=4, best_epoch=1), True),
        (TrainerState(epoch=3, best_epoch=None), True),
        (TrainerState(epoch=1, best_epoch=0, step=7), True),
        (TrainerState(epoch=4, best_epoch=1, batch=3), False),
    ],
)
def test_is_over(progress, expected):
    assert progress.is_over(epochs=5, max_steps=7, patience=2) is expected


@pytest.mark.once
@pytest.mark.parametrize(
    "value, best, mode, expected",
    [
        (0.5, None, "max", True),
        (0.5, 0.5, "max", False),
        (0.6, 0.5, "max", True),
        (0.6, 0.5, "min", False),
        (0.4, 0.5, "min", True),
        (float("nan"), None, "max", False),
    ],
)
def test_is_better(value, best, mode, expected):
    evaluation = SimpleNamespace(metric="accuracy", mode=mode)
    progress = TrainerState(best=best)
    assert loop._is_better(progress, {"accuracy": value}, evaluation) is expected
