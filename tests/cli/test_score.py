"""`zoo score` with stand-ins for the model and for Spark: rows, columns, errors, resuming."""

import csv
import json
import os
import shutil
import sys
import zipfile
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import zoo
from zoo.cli import main
from zoo.cli.models import FoundModel
from zoo.cli.verbs import score as verb
from zoo.scoring import job, spark, worker
from zoo.tasks import TASKS

pytestmark = pytest.mark.once

TEXTS = ["a film", "not a film", "", None, "x" * 50, "정말 not 재미"]
LABELS = ["positive", "negative", None, None, None, "negative"]
WORDS = ["--column", "comment", "--max-characters", "40", "--part-rows", "2"]
FORMATS = (".csv", ".jsonl", ".parquet")


@dataclass
class Spark:
    """Runs parts in this process, and stops after so many."""

    limit: int = 1000
    parts = ()
    loads = 0

    def run(self, parts, score, master, archive, environment, log, watched):
        self.parts = [part.number for part in parts]
        self.environment = environment
        assert archive.is_file()
        with watched(lambda: True):
            for part in parts[: self.limit]:
                score(part)
        if self.limit < len(parts):
            raise KeyboardInterrupt


@pytest.fixture
def cluster(monkeypatch, cards, model):
    cluster = Spark()

    def load(count, backend):
        cluster.loads += 1
        return model

    monkeypatch.setattr(spark, "run", cluster.run)
    monkeypatch.setattr(spark, "require_spark", lambda: None)
    monkeypatch.setattr(verb, "_load", load)
    monkeypatch.setattr(worker, "_models", {})
    return cluster


@pytest.fixture
def table(tmp_path):
    """Writes the texts in a format, with other columns."""

    def write(suffix, texts=TEXTS):
        path = tmp_path / f"comments{suffix}"
        columns = {"id": list(range(len(texts))), "label": ["1"] * len(texts), "comment": texts}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if suffix == ".parquet":
            pq.write_table(pa.table(columns), path)
        elif suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            with open(path, "w", newline="") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(rows)
        return path

    return write


def read(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with open(path, newline="") as file:
        return [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("other", FORMATS)
def test_every_row_has_an_answer_or_an_error(cluster, table, tmp_path, kind, other, capsys):
    path = tmp_path / f"answers{other}"
    assert main(["score", "tiny_en", str(table(kind)), str(path), *WORDS]) == 0
    rows = read(path)
    assert [str(row["id"]) for row in rows] == [str(number) for number in range(6)]
    assert [row["comment"] or "" for row in rows] == [text or "" for text in TEXTS]
    assert [row["answer_label"] for row in rows] == LABELS and {row["label"] for row in rows} == {
        "1"
    }
    assert [bool(row["answer_error"]) for row in rows] == [label is None for label in LABELS]
    assert float(rows[1]["answer_probability"]) == 0.75
    probabilities = rows[1]["answer_probabilities"]
    if other != ".jsonl":
        probabilities = json.loads(probabilities)
    assert probabilities == {"negative": 0.75, "positive": 0.25}
    errors = [row["answer_error"] for row in rows if row["answer_error"]]
    missing = "The text is empty." if kind == ".csv" else "The text is missing (null)."
    too_long = "The text must have at most 40 characters. Received: 50"
    assert errors == ["The text is empty.", missing, too_long]
    shown = capsys.readouterr()
    assert f"{path}: 6 rows, 3 with an error" in shown.out
    assert "first error: The text is empty." in shown.err
    assert cluster.loads == 1 and cluster.parts == [0, 1, 2]
    assert cluster.environment["OMP_NUM_THREADS"] and cluster.environment["KERAS_BACKEND"]
    assert not job.folder_of(path).exists()


def test_an_answer_as_one_column_of_json(cluster, table, tmp_path):
    path = tmp_path / "answers.parquet"
    words = ["--json", "--prefix", "it_", *WORDS]
    assert main(["score", "tiny_en", str(table(".csv")), str(path), *words]) == 0
    assert pq.read_schema(path).names == ["id", "label", "comment", "it_json", "it_error"]
    row = read(path)[0]
    assert json.loads(row["it_json"])["label"] == "positive" and row["it_error"] is None


def test_a_folder_of_parts(cluster, table, tmp_path):
    path = tmp_path / "answers.csv"
    words = ["score", "tiny_en", str(table(".csv")), str(path), *WORDS, "--parts"]
    assert main(words) == 0
    names = sorted(file.name for file in path.iterdir())
    assert names == [f"part-00000{number}.csv" for number in range(3)]
    assert [row["id"] for file in sorted(path.iterdir()) for row in read(file)] == list("012345")
    again = tmp_path / "again.jsonl"  # a folder is a table
    assert main(["score", "tiny_en", str(path), str(again), *WORDS, "--prefix", "second_"]) == 0
    assert len(read(again)) == 6


@pytest.mark.parametrize("kind", FORMATS)
def test_resuming_scores_the_parts_that_are_left(cluster, table, tmp_path, kind, model, capsys):
    source, path, whole = table(kind), tmp_path / f"answers{kind}", tmp_path / f"whole{kind}"
    assert main(["score", "tiny_en", str(source), str(whole), *WORDS]) == 0
    words = ["score", "tiny_en", str(source), str(path), *WORDS]
    cluster.limit = 1
    assert main(words) == 130
    assert "Parts that are done: 1. --resume goes on" in capsys.readouterr().err
    folder = job.parts_of(job.folder_of(path))
    assert not path.exists() and (folder / "part-000000.json").is_file()
    (folder / f".part-0123-part-000002{kind}").write_text("half")  # of a process that was killed
    (folder / f"part-000001{kind}").write_text("a whole file, not yet counted")
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "--resume goes on with it" in said and said.splitlines()[-1].endswith("--resume")
    cluster.limit = 1000
    model.chunks.clear()
    assert main([*words, "--resume"]) == 0
    assert "1 of 3 parts are done" in capsys.readouterr().err
    assert cluster.parts == [1, 2] and sum(model.chunks) == 1
    if kind == ".parquet":
        assert pq.read_table(path).equals(pq.read_table(whole))
    else:
        assert path.read_bytes() == whole.read_bytes()
    before = path.read_bytes()
    for also in ([], ["--resume"], ["--resume", "--column", "nosuch"]):  # it is not checked
        assert main([*words, *also]) == 2
        assert "The output exists" in capsys.readouterr().err and path.read_bytes() == before


def test_other_settings_or_another_input_are_not_mixed_with_parts_that_are_done(
    cluster, table, tmp_path, capsys
):
    source, path = table(".csv"), tmp_path / "answers.csv"
    words = ["score", "tiny_en", str(source), str(path), *WORDS, "--resume"]
    cluster.limit = 1
    assert main(words) == 130
    assert main([*words, "--batch-size", "8"]) == 2
    assert "had other settings" in (said := capsys.readouterr().err)
    assert "Received: options {'batch_size': 8}; before: {'batch_size': 64}" in said
    source.write_text(source.read_text() + "6,1,more\n")
    assert main(words) == 1
    assert "The input has changed" in capsys.readouterr().err
    shutil.rmtree(job.folder_of(path))
    cluster.limit = 1000
    assert main(words) == 0 and len(read(path)) == 7


def test_the_version_and_the_content_of_files_are_settings(
    cluster, cards, table, tmp_path, monkeypatch, capsys
):
    cards[0] = replace(cards[0], task="speech_to_text")
    (tmp_path / "words.txt").write_text("film\n")
    source, path = table(".csv", [""] * 3), tmp_path / "answers.csv"
    words = ["score", "tiny_en", str(source), str(path), *WORDS, "--resume"]
    words += ["--set", f"words={tmp_path / 'words.txt'}"]
    cluster.limit = 1
    assert main(words) == 130
    (tmp_path / "words.txt").write_text("book\n")
    assert main(words) == 2
    assert "had other settings" in (said := capsys.readouterr().err) and "files {'words'" in said
    (tmp_path / "words.txt").write_text("film\n")
    monkeypatch.setattr(zoo, "__version__", "99.0")
    assert main(words) == 2
    assert "Received: version '99.0'; before: '0." in capsys.readouterr().err


def test_the_archive_has_the_files_of_the_preset_whatever_their_age(tmp_path, make_preset):
    preset = make_preset(tmp_path / "preset", "text_classifier")
    os.utime(preset / "config.json", (0, 0))  # zip files begin in 1980
    (preset / ".git").mkdir()
    (preset / ".git" / "HEAD").touch()
    (preset / "assets").mkdir()
    (preset / "assets" / "words.txt").touch()
    member = FoundModel("preset", preset, None)
    verb._pack([member, member], tmp_path / "model.zip")
    names = ["assets/words.txt", "card.json", "config.json", "task.json"]
    with zipfile.ZipFile(tmp_path / "model.zip") as packed:
        assert packed.namelist() == [f"{number}/{name}" for number in (0, 1) for name in names]


def test_parts_of_another_plan_are_not_done(cluster, table, tmp_path, capsys):
    source, path = table(".csv"), tmp_path / "answers.csv"
    words = ["score", "tiny_en", str(source), str(path), *WORDS]
    cluster.limit = 0
    assert main([*words, "--batch-size", "8"]) == 130  # its last process still writes a part
    parts = job.parts_of(job.folder_of(path))
    parts.mkdir()
    worker.part_file(parts, 0, ".csv").write_text("rows of other options")
    count = {"rows": 2, "errors": 0, "first_error": ""}
    run = cluster.run

    def late(*words):
        worker.count_file(parts, 0).write_text(json.dumps(count))
        run(*words)

    cluster.limit, spark.run = 1000, late
    assert main(words) == 0
    assert cluster.parts == [0, 1, 2] and [row["answer_label"] for row in read(path)] == LABELS


def test_a_table_that_changes_while_it_is_scored_is_a_failure(cluster, table, tmp_path, capsys):
    source, path = table(".csv"), tmp_path / "answers.csv"
    run = cluster.run

    def changing(*words):
        run(*words)
        source.write_text(source.read_text().replace("a film", "a book"))

    spark.run = changing
    assert main(["score", "tiny_en", str(source), str(path), *WORDS]) == 1
    assert "The input has changed since it was looked through" in capsys.readouterr().err
    assert not path.exists()


def test_a_batch_that_fails_is_answered_in_smaller_ones(cluster, table, tmp_path, model):
    infer = model.infer

    def strict(texts, **options):
        if any("not" in text for text in texts):
            raise ValueError("No “not”, please.")
        return infer(texts, **options)

    model.infer = strict
    path = tmp_path / "answers.jsonl"
    assert main(["score", "tiny_en", str(table(".jsonl")), str(path), *WORDS]) == 0
    assert [row["answer_error"] for row in read(path)][:2] == [None, "No “not”, please."]
    assert read(path)[0]["answer_label"] == "positive"


def test_an_input_that_fails_is_found_by_halves():
    calls = []

    class Strict:
        def infer(self, texts):
            calls.append(len(texts))
            if "bad" in texts:
                raise ValueError("No.")
            return texts

    texts = [str(number) for number in range(1024)]
    texts[700] = "bad"
    assert worker.infer(Strict(), texts, {}) == [*texts[:700], "No.", *texts[701:]]
    assert len(calls) == 21 and sum(calls) == 1024 + 2 * 1023


def test_a_column_may_have_the_name_of_the_one_for_lines_that_are_no_json(cluster, tmp_path):
    source, path = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "a film", "line": 7}\nno json\n')
    assert main(["score", "tiny_en", str(source), str(path), "--prefix", ""]) == 0
    first, second = read(path)
    assert first["line"] == 7 and first["label"] == "positive" and first["error"] is None
    assert second["line"] == "no json" and second["error"] == "A line must be a JSON object."


def test_no_answer_at_all_is_a_failure(cluster, table, tmp_path, capsys):
    path = tmp_path / "answers.csv"
    assert main(["score", "tiny_en", str(table(".csv", ["", ""])), str(path), *WORDS]) == 1
    assert "No row could be answered: The text is empty." in capsys.readouterr().err


def test_options_of_the_model(cluster, cards, model, table, tmp_path):
    cards[0] = replace(cards[0], task="seq2seq_lm")
    words = ["--set", "beam=3", "--batch-size", "8", *WORDS]
    assert main(["score", "tiny_en", str(table(".csv")), str(tmp_path / "a.csv"), *words]) == 0
    assert model.options[0] == {"batch_size": 8, "beam": 3}


def test_sentences_and_files(tmp_path):
    read_words = worker.reader_of(TASKS["token_classifier"], None, "", 10)
    assert read_words(["a", "b"]) == ["a", "b"] and read_words("a b") == "a b"
    for value, message in {
        (): "must have words",
        ("a", ""): "empty",
        ("a" * 11,): "at most",
    }.items():
        with pytest.raises(ValueError, match=message):
            read_words(list(value))
    from PIL import Image

    Image.new("RGB", (9, 5), (255,) * 3).save(tmp_path / "white.png")

    class Captioner:
        class preprocessor:  # noqa: N801 (an attribute of a model)
            size = (4, 4)

    read_image = worker.reader_of(TASKS["image_to_text"], Captioner, str(tmp_path / "in.csv"), 10)
    assert read_image("white.png").shape == (4, 4, 3)
    assert read_image((tmp_path / "white.png").read_bytes()).mean() == 255
    for value in (None, "", 3, b"no image"):
        with pytest.raises(ValueError):
            read_image(value)


@pytest.mark.parametrize(
    "words, message",
    [
        (["tiny_em", "{csv}", "o.csv", "--column", "comment"], "Did you mean `tiny_en`"),
        (["tiny_en", "{csv}", "o.csv"], "no column `text`. Received: id, label, comment"),
        (["tiny_en", "{csv}", "o.csv", "--column", "coment"], "Did you mean `comment`?"),
        (["tiny_en", "{parquet}", "o.csv", "--column", "id"], "must have texts. Received: `id`"),
        (["tiny_en", "none.csv", "o.csv"], "There is no such table. Received: none.csv"),
        (["tiny_en", "{csv}", "o.txt"], "must end in .csv, .jsonl, .parquet. Received: o.txt"),
        (["tiny_en", "{csv}", "s3://b/o.csv"], "must be paths of files"),
        (["tiny_en", "{csv}", "{csv}", "--column", "comment"], "The output exists"),
        (["tiny_en", "{csv}", "o.csv", "--part-rows", "0"], "--part-rows must be from 1"),
        (["tiny_en", "{csv}", "o.csv", "--set", "beam=2"], "OPTION is one of batch_size"),
        (["tiny_en", "{csv}", "o.csv", "--column", "comment", "--prefix", ""], "--prefix"),
        (["tiny_en", "{csv}", "o.csv", "--master", "here"], "--master must be local[N]"),
    ],
)
def test_wrong_commands_are_refused_before_spark_starts(
    cluster, table, tmp_path, monkeypatch, words, message, capsys
):
    monkeypatch.chdir(tmp_path)
    paths = {suffix[1:]: str(table(suffix)) for suffix in FORMATS}
    assert main(["score", *(word.format(**paths) for word in words)]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 2
    assert cluster.parts == () and not list(tmp_path.glob("o.*"))


@pytest.mark.parametrize(
    "message, reason",
    [
        (
            "An error occurred while calling z:collectAndServe.\n: SparkException: Job aborted: "
            'PythonException: Traceback (most recent call last):\n  File "a.py", line 1\n    f()\n'
            "pyarrow.lib.ArrowInvalid: Integer value 3 is out of range\n\n\tat org.Java(A.scala:1)",
            "pyarrow.lib.ArrowInvalid: Integer value 3 is out of range",
        ),
        (
            'Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: 1\n\nDuring …\n\n'
            'Traceback (most recent call last):\n  File "a.py", line 2\nMemoryError\n\tat A.b',
            "MemoryError",
        ),
        (
            "An error occurred while calling z:collectAndServe.\n: SparkException: Executor lost.\n"
            "\tat org.Java(A.scala:1)",
            "SparkException: Executor lost",
        ),
        ("", "RuntimeError"),
    ],
)
def test_an_error_of_spark_is_one_line(tmp_path, message, reason):
    said = str(spark._failed("It failed", RuntimeError(message), tmp_path))
    assert said == f"It failed: {reason}. All messages are in {tmp_path}"


def test_what_spark_needs_is_said_with_the_remedy(cards, table, tmp_path, monkeypatch, capsys):
    words = ["score", "tiny_en", str(table(".csv")), str(tmp_path / "o.csv"), "--column", "comment"]
    monkeypatch.setitem(sys.modules, "pyspark", None)
    assert main(words) == 1
    assert 'next: pip install "seqzoo[score]"' in capsys.readouterr().err
    monkeypatch.setattr(spark, "need", lambda *names: None)
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    assert main(words) == 1
    assert "Spark needs Java 17 or later" in capsys.readouterr().err
    assert main([*words, "--master", "spark://127.0.0.1:1"]) == 1
    assert "No Spark master listens there (127.0.0.1:1: Connection refused)" in (
        capsys.readouterr().err
    )
