"""Recipes on a user's own files: what replaces the named dataset, metrics, names, the registry."""

from types import SimpleNamespace

import pytest

import zoo
from recipes import captioning, sentiment, tagging, translation
from zoo.data import Dataset
from zoo.training import naming, resolve
from zoo.training.config import ConfigError
from zoo.training.runner import load_data

pytestmark = pytest.mark.once


def reviews(folder, name="reviews.csv", rows=60, header="review,verdict"):
    data = zoo.data.load("generated_reviews", train=rows, dev=10, test=0).splits["train"]
    pairs = zip(data["text"], data["label"], strict=True)
    file = folder / name
    file.write_text("\n".join([header, *(f'"{text}",{label}' for text, label in pairs)]))
    return file


def test_files_replace_what_belongs_to_the_named_dataset():
    config = resolve(sentiment.RECIPE, overrides=["data.train=x.csv", "data.text=review"])
    assert (config.data.name, config.data.options, config.data.text) == (None, {}, "review")
    assert config.description == "" and not config.evaluation.test
    assert (config.evaluation.metric, config.evaluation.gate) == ("accuracy", 0.95)
    assert config.model.units == 32  # of the file


def test_the_metric_of_other_data_is_replaced_with_its_gate():
    for spec, files in (
        (translation.RECIPE, "[a.en, a.de]"),
        (tagging.RECIPE, "a.conll"),
        (captioning.RECIPE, "a.csv"),
    ):
        config = resolve(spec, overrides=[f"data.train={files}"])
        assert (config.evaluation.metric, config.evaluation.gate) == (None, None)
        assert config.tracking.register_as is None


def test_overrides_are_kept():
    config = resolve(
        translation.RECIPE,
        overrides=[
            "data.train=[a.en, a.de]",
            "data.test=[b.en, b.de]",
            "evaluation.metric=exact",
            "evaluation.gate=0.5",
            "description=Mine.",
            "tracking={register_as: mine}",
        ],
    )
    assert (config.evaluation.metric, config.evaluation.gate) == ("exact", 0.5)
    assert config.evaluation.test and config.description == "Mine."
    assert config.tracking.register_as == "mine"


def test_a_name_beside_files_is_refused():
    with pytest.raises(ConfigError, match="set the other null"):
        resolve(sentiment.RECIPE, overrides=["data.name=sst2", "data.train=x.csv"])
    with pytest.raises(ConfigError, match="data: must be a section"):
        resolve(sentiment.RECIPE, overrides=["data.train=x.csv", "data=3"])


def tagged(folder, tags):
    file = folder / "mine.conll"
    lines = (f"w{i}\t{tag}\nx\t{tags[0]}\n" for i, tag in enumerate(tags * 20))
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize(
    ("tags", "metric"),
    [(["O", "B-city", "I-city"], "f1_conlleval"), (["NOUN", "VERB"], "token_accuracy")],
)
def test_default_metric_of_tags(tmp_path, tags, metric):
    config = resolve(tagging.RECIPE, overrides=[f"data.train={tagged(tmp_path, tags)}"])
    _, found = load_data(config, "test")
    assert found.evaluation.metric == metric


def test_default_metric_of_pairs_is_chrf(tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_text("source\ttarget\n" + "".join(f"a {i}\tb {i}\n" for i in range(20)))
    dataset, config = load_data(
        resolve(translation.RECIPE, overrides=[f"data.train={file}"]), "test"
    )
    assert config.evaluation.metric == "chrf" and config.evaluation.mode == "max"
    assert naming.model_name(config, "translation/quickstart", dataset) == "pairs"


@pytest.mark.parametrize(
    ("file", "name"),
    [("reviews", "reviews"), ("my film-reviews!", "my_film-reviews"), ("리뷰", None)],
)
def test_names_of_files(file, name):
    config = resolve(sentiment.RECIPE, overrides=["data.train=x.csv"])
    dataset = Dataset(file, "text_classifier", (), "", "", "0123456789", {"train": {}}, ())
    assert naming.model_name(config, "sentiment/quickstart", dataset) == (
        name or "sentiment_01234567"
    )
    named = resolve(sentiment.RECIPE)
    assert naming.model_name(named, "sentiment/quickstart", dataset) == "quickstart"


def test_the_run_is_named_and_described_by_its_data(run, client, tmp_path):
    from mlflow import pyfunc

    file = reviews(tmp_path)
    result = run(
        "data.options={}",
        f"data.train={file}",
        "data.text=review",
        "data.label=verdict",
        "evaluation.gate=0.0",
        "training.epochs=1",
    )
    name = client.get_run(result.run_id).info.run_name
    assert name.startswith("reviews ") and name.endswith(" epochs=1")
    assert (result.registered.name, result.registered.champion) == ("reviews", True)
    assert (result.card.name, result.card.dataset) == ("reviews", "reviews")
    assert result.card.languages == ("en",)
    assert "reviews (54 rows, 2 labels)" in result.card.description
    assert result.card.description in client.get_model_version("reviews", "1").description
    params = client.get_run(result.run_id).data.params
    assert params["data.name"] == "null" and params["evaluation.metric"] == "accuracy"

    import pandas as pd

    served = pyfunc.load_model(result.model_uri)
    answers = served.predict(pd.DataFrame({"review": ["good", "bad"]}))
    assert list(answers["label"]) == [a.label for a in result.model.infer(["good", "bad"])]
    with pytest.raises(ValueError, match="'text' or 'review'"):
        served.predict(pd.DataFrame({"title": ["good"]}))


def test_ties_are_broken_by_the_loss_and_warned_of(run, monkeypatch):
    losses = iter([0.9, 0.5, 0.7, 0.5])

    def score(model, columns, batch_size=256):
        return {"accuracy": 0.0, "macro_f1": 0.0, "loss": next(losses)}

    monkeypatch.setattr("zoo.models.TextClassifier.score", score)
    with pytest.warns(UserWarning, match="accuracy on the dev split was 0 in every epoch.*epoch 2"):
        result = run("training.epochs=3")
    assert result.card.training["best_epoch"] == 2


def test_column_errors_name_the_setting(tmp_path):
    config = resolve(sentiment.RECIPE, overrides=[f"data.train={reviews(tmp_path)}"])
    with pytest.raises(ValueError, match="no column 'text'.*`data.text=…` and `data.label=…`"):
        config.data.load(0)


def test_input_column_of_each_task():
    config = SimpleNamespace(data=SimpleNamespace(name=None, text="review", source="en"))
    assert naming.input_column(config, "text_classifier") == "review"
    assert naming.input_column(config, "seq2seq_lm") == "en"
    assert naming.input_column(config, "token_classifier") is None
    named = SimpleNamespace(data=SimpleNamespace(name="sst2", text="text"))
    assert naming.input_column(named, "text_classifier") is None


def test_fine_tuning_brings_sizes_along_or_records_no_run(run, client, tmp_path, capsys):
    start = tmp_path / "start"
    run("training.max_steps=1", output=start)
    data = reviews(tmp_path, header="text,label")
    data.write_text(data.read_text().replace("positive", "good"))
    own = ["data.options={}", f"data.train={data}"]
    with pytest.raises(ConfigError, match="there is no model to beat: set training.init_from"):
        run(*own, "evaluation.beat_initial=true")
    with pytest.raises(ValueError, match="set model.units=5. Received: model.units=7"):
        run(*own, f"training.init_from={start}", "model.units=7")
    (experiment,) = client.search_experiments(filter_string="name = 'sentiment'")
    assert len(client.search_runs([experiment.experiment_id])) == 1
    tuned = resolve(
        sentiment.RECIPE,
        overrides=[*own, f"training.init_from={start}", "training.max_steps=1"],
    )
    assert tuned.model.model_fields_set == set()
    result = zoo.training.run(
        sentiment.RECIPE,
        overrides=[*own, f"training.init_from={start}", "training.max_steps=1"],
        progress=False,
    )
    assert client.get_run(result.run_id).data.params["model.units"] == "5"
    said = capsys.readouterr().err
    notice = f"new layers, without weights of {start}: logits"
    assert said.index(notice) < said.index(f"run {result.run_id}")
    assert "starting from" in result.card.description
