"""`zoo eval` on real files, with a stand-in for the model."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

import zoo
from zoo import data, presets
from zoo.cli import main

pytestmark = pytest.mark.once


@pytest.fixture
def carded(tmp_path, loaded, cards, monkeypatch, make_preset):
    """A model whose card names the dataset `reviews`; it is right on two of three texts."""
    monkeypatch.setattr(presets, "resolve", lambda source: make_preset(tmp_path, cards[0].task))
    splits = {
        "test": {
            "text": ["good", "not good", "bad"],
            "label": ["positive", "negative", "negative"],
        }
    }
    monkeypatch.setattr(
        data,
        "list_datasets",
        lambda: [SimpleNamespace(name="reviews", languages=("en",), task="text_classifier")],
    )
    monkeypatch.setattr(data, "load", lambda name: SimpleNamespace(splits=splits))
    return tmp_path


def test_dataset_of_the_card_is_compared_with_its_metrics(carded, capsys):
    assert main(["eval", "tiny_en"]) == 0
    shown = capsys.readouterr().out
    assert "tiny_en on reviews, test: 3 texts" in shown
    row = next(line for line in shown.splitlines() if "accuracy" in line)
    assert row.split() == ["accuracy", "0.6667", "0.8750"]


def test_json(carded, capsys):
    assert main(["eval", "tiny_en", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["metrics"]["accuracy"] == pytest.approx(2 / 3)
    assert shown["card"] == {"accuracy": 0.875}
    assert (shown["dataset"], shown["split"], shown["rows"]) == ("reviews", "test", 3)


def test_file_with_named_columns(carded, tmp_path, capsys):
    file = tmp_path / "mine.csv"
    file.write_text("review,verdict\nso good,positive\nnot so,negative\nnot good,negative\n")
    words = ["eval", "tiny_en", "--dataset", str(file), "--text", "review", "--label", "verdict"]
    assert main([*words, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["metrics"]["accuracy"] == 1.0 and shown["rows"] == 3
    assert shown["card"] == {}


def test_file_with_one_class(carded, tmp_path, capsys):
    file = tmp_path / "mine.csv"
    file.write_text("text,label\nso good,positive\nnot so,positive\n")
    assert main(["eval", "tiny_en", "--dataset", str(file), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["metrics"]["accuracy"] == 0.5 and shown["split"] is None


def test_file_without_the_columns_fails_before_loading(carded, tmp_path, loaded, capsys):
    file = tmp_path / "mine.csv"
    file.write_text("review,verdict\nso good,positive\n")
    assert main(["eval", "tiny_en", "--dataset", str(file)]) == 1
    assert "review" in capsys.readouterr().err
    assert loaded == []


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["--dataset", "review"],
            "There is neither a dataset nor a file `review`. Did you mean `reviews`?",
        ),
        (["--dataset", "no.csv"], "There is neither a dataset nor a file `no.csv`."),
        (["--split", "tset"], "has the splits test. Received: --split tset"),
        (["--text", "review"], "named datasets have fixed columns"),
        (["--label", "verdict"], "named datasets have fixed columns"),
    ],
)
def test_wrong_arguments_are_refused_before_loading(carded, loaded, words, message, capsys):
    assert main(["eval", "tiny_en", *words]) == 2
    assert message in capsys.readouterr().err
    assert loaded == []


def test_translator_uses_its_languages_and_columns(carded, cards, monkeypatch, loaded):
    """The language pair of a dataset with three languages, and the columns of a file."""
    asked = {}
    cards[0] = replace(cards[0], task="seq2seq_lm", languages=("de", "en"))
    many = SimpleNamespace(name="reviews", languages=("en", "de", "fr"), task="seq2seq_lm")
    monkeypatch.setattr(data, "list_datasets", lambda: [many])

    def load(name, **options):
        asked.update(options)
        columns = {"text": ["good"], "label": ["positive"]}  # what the stand-in model reads
        return SimpleNamespace(splits={"test": columns})

    monkeypatch.setattr(data, "load", load)
    assert main(["eval", "tiny_en"]) == 0
    assert asked == {"source": "de", "target": "en"}

    def read_parallel(file, **columns):
        asked["file"] = (file, columns)
        return {"text": ["good"], "label": ["positive"]}

    monkeypatch.setattr(data, "read_parallel", read_parallel)
    file = carded / "mine.tsv"
    file.touch()
    assert main(["eval", "tiny_en", "--dataset", str(file), "--label", "english"]) == 0
    assert asked["file"] == (str(file), {"source": "source", "target": "english"})


def test_split_of_a_file_is_refused(carded, tmp_path, loaded, capsys):
    file = tmp_path / "mine.csv"
    file.write_text("text,label\nso good,positive\n")
    assert main(["eval", "tiny_en", "--dataset", str(file), "--split", "dev"]) == 2
    said = capsys.readouterr().err
    assert "A file has no splits" in said and f"zoo eval tiny_en --dataset {file}" in said
    assert loaded == []


def test_model_without_a_card_needs_a_dataset(carded, monkeypatch, capsys):
    monkeypatch.setattr(presets, "read_card", lambda directory: None)
    assert main(["eval", str(carded)]) == 2
    assert "choose one with --dataset" in capsys.readouterr().err
    assert main(["eval", str(carded), "--dataset", "reviews"]) == 0


def test_dataset_of_another_task_is_refused(carded, monkeypatch, loaded, capsys):
    pairs = SimpleNamespace(name="pairs", languages=("en", "de"), task="seq2seq_lm")
    monkeypatch.setattr(data, "list_datasets", lambda: [pairs])
    assert main(["eval", "tiny_en", "--dataset", "pairs"]) == 2
    assert "must be of the same task. Received: pairs, for seq2seq_lm" in capsys.readouterr().err
    assert loaded == []


def test_tagger_chooses_the_tags_of_dataset_and_file(carded, cards, monkeypatch, loaded, capsys):
    cards[0] = replace(cards[0], task="token_classifier")
    treebank = SimpleNamespace(name="reviews", languages=("en",), task="token_classifier")
    monkeypatch.setattr(data, "list_datasets", lambda: [treebank])
    asked = []

    def load(name, **options):
        asked.append(options)
        return SimpleNamespace(splits={"test": {"text": ["good"], "label": ["positive"]}})

    monkeypatch.setattr(data, "load", load)
    assert main(["eval", "tiny_en", "--label", "xpos"]) == 0
    assert asked == [{"column": "xpos"}]
    file = carded / "mine.conllu"
    file.touch()
    assert main(["eval", "tiny_en", "--dataset", str(file), "--text", "words"]) == 2
    assert "no column to choose with --text" in capsys.readouterr().err


@pytest.fixture
def labelled(cards, loaded, tmp_path, monkeypatch):
    """`labelled(labels)` is the directory of a preset with those labels, beside a real dataset."""

    def make(*labels):
        directory = tmp_path / "preset"
        directory.mkdir()
        content = {"registered_name": "zoo>TextClassifier", "config": {"labels": labels}}
        (directory / "task.json").write_text(json.dumps(content))
        (directory / "card.json").touch()
        return directory

    return make


def test_behaviour(labelled, cards, capsys):
    """The stand-in says `negative` of all texts with `not`, else `positive`."""
    published = {"dataset": "behaviour_en", "kinds": {"plain": {"n": 24, "right": 20}}}
    cards[0] = replace(cards[0], behaviour=published)
    source = str(labelled("negative", "positive"))
    assert main(["eval", source, "--behaviour"]) == 0
    shown = capsys.readouterr().out
    assert "on behaviour_en: right in" in shown and "pairs that agree: 14 of 14" in shown
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.strip()}
    assert rows["plain"] == ["12", "24", "0.5000", "20"]  # its sentences have no `not`
    assert rows["question"][-1] == "–"
    assert "wrong, the surest first, 10 of " in shown
    assert main(["eval", source, "--behaviour", "--dataset", "behaviour_ko", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["right"], shown["n"], shown["dataset"]) == (131, 262, "behaviour_ko")
    assert shown["kinds"]["plain"] == {"right": 12, "n": 24, "share": 0.5}
    assert len(shown["mistakes"]) == 131 and shown["card"] == {}


def test_behaviour_updates_the_card(labelled, monkeypatch, capsys):
    written = {}
    monkeypatch.setattr(presets, "update_card", lambda path, **new: written.update({path: new}))
    source = labelled("up", "positive")
    words = ["eval", str(source), "--behaviour", "--negative", "up", "--positive", "positive"]
    assert main([*words, "--update-card"]) == 0
    summary = written[source]["behaviour"]
    assert summary["dataset"] == "behaviour_en"
    assert summary["kinds"]["plain"] == {"n": 24, "right": 12}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--behaviour", "--split", "dev"], "one split and fixed columns: omit --split"),
        (["--behaviour", "--negative", "up"], "name the two labels together. Received: --negative"),
        (["--behaviour"], "--negative LABEL --positive LABEL"),
        (["--update-card"], "--update-card belong to --behaviour: add it"),
        (["--behaviour", "--dataset", "imdb"], "is one of behaviour_en, behaviour_ko"),
    ],
)
def test_wrong_use_of_behaviour_is_refused_before_loading(labelled, loaded, words, message, capsys):
    assert main(["eval", str(labelled("up", "down")), *words]) == 2
    assert message in capsys.readouterr().err
    assert loaded == []


def test_behaviour_needs_a_language_and_a_directory_to_update(labelled, cards, loaded, capsys):
    cards[0] = replace(cards[0], languages=("de",))
    assert main(["eval", str(labelled("neg", "pos")), "--behaviour"]) == 2
    said = capsys.readouterr().err
    assert "Choose one with --dataset." in said and "--dataset behaviour_en" in said
    assert main(["eval", "tiny_ko", "--behaviour", "--update-card"]) == 2
    assert "name the directory. Received: tiny_ko" in capsys.readouterr().err
    assert loaded == []


def test_options_of_score(carded, cards, monkeypatch, capsys):
    """A language model takes options of `score`; other tasks have none."""
    assert main(["eval", "tiny_en", "--set", "cache=true"]) == 2
    said = capsys.readouterr().err
    assert "is a text_classifier, whose measurements have no options" in said
    cards[0] = replace(cards[0], task="causal_lm", metrics={"test/perplexity": 99.0})
    given = {}

    class Scored:
        def score(self, columns, **options):
            given.update(options)
            return {"perplexity": 75.0}

    monkeypatch.setattr(zoo, "load", lambda source: Scored(), raising=False)
    texts = SimpleNamespace(name="reviews", languages=("en",), task="causal_lm")
    monkeypatch.setattr(data, "list_datasets", lambda: [texts])
    splits = SimpleNamespace(splits={"test": {"text": ["good"]}})
    monkeypatch.setattr(data, "load", lambda name, **options: splits)
    settings = ["--set", "cache=true", "--set", "cache_size=50"]
    assert main(["eval", "tiny_en", *settings]) == 0
    assert given == {"cache": True, "cache_size": 50}
    shown = capsys.readouterr().out
    assert "tiny_en on reviews, test, cache=True, cache_size=50" in shown and "75.0" in shown
    assert main(["eval", "tiny_en", *settings, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"] == given
    for wrong, message in (
        ("cash=true", "Did you mean `cache`"),
        ("cache=3", "--set cache: "),
        ("cache_lambda=2", "--set cache_lambda: must be"),
    ):
        assert main(["eval", "tiny_en", "--set", wrong]) == 2
        assert message in capsys.readouterr().err
    file = carded / "mine.csv"
    file.write_text("text\ngood\n")
    assert main(["eval", "tiny_en", "--dataset", str(file), "--label", "verdict"]) == 2
    assert "no column of references to choose with --label" in capsys.readouterr().err
