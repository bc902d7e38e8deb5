"""Long lines and large numbers are refused early, with the limit and a remedy."""

import gzip
import io
import tracemalloc

import pytest

from zoo import data
from zoo.cli import main
from zoo.cli.recipe_files import entry_points
from zoo.data import read_labelled, read_parallel, read_tagged
from zoo.files import MAX_LINE_BYTES, bounded_lines
from zoo.search_options import SearchOptions
from zoo.tasks import TASKS
from zoo.training.config import ConfigError, resolve
from zoo.unicode import compose

pytestmark = pytest.mark.once

RECIPES = {point.name: point.load() for point in entry_points(group="zoo.recipes")}
LONG = b"x" * (24 * MAX_LINE_BYTES)


def read_pair(file):
    return read_parallel([file, file])


@pytest.mark.parametrize(
    "name, head, read",
    [
        ("a.tsv.gz", b"text\tlabel\na\tb\n", read_labelled),
        ("a.csv", b"text,label\na,b\n", read_labelled),
        ("a.jsonl", b'{"text": "a", "label": "b"}\n{"text": "b", "label": "b"}\n', read_labelled),
        ("a.txt.gz", b"one\ntwo\n", read_pair),
        ("a.conllu", b"# a comment\n# another\n", read_tagged),
        ("a.conll", b"a DET\ndog NOUN\n", read_tagged),
    ],
)
def test_long_lines_are_not_read(tmp_path, name, head, read):
    file = tmp_path / name
    content = head + LONG
    file.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    tracemalloc.start()
    with pytest.raises(ValueError, match="line 3: a line may have at most 1,048,576 bytes. Split"):
        read(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MAX_LINE_BYTES


def test_long_cell_of_several_lines(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('text,label\n"' + "an open quote\n" * 100_000)
    with pytest.raises(ValueError, match="a cell may have at most 1,048,576.*still open"):
        read_labelled(file)


def test_lines_within_the_limit_are_kept_as_they_are():
    lines = [b"a\r\n", b"\n", b"x" * (MAX_LINE_BYTES - 1) + b"\n", b"end"]
    assert list(bounded_lines(io.BytesIO(b"".join(lines)), "it")) == lines


def test_infer_refuses_a_long_line(tmp_path, capsys, monkeypatch):
    from zoo.cli import lines
    from zoo.cli.errors import Failure

    with pytest.raises(Failure, match="stdin, line 2: a line may have at most") as error:
        list(lines.read(io.BytesIO(b"a\n" + LONG), "stdin"))
    assert "fold -s" in error.value.hint
    monkeypatch.setattr(lines, "MAX_CHUNK_LENGTH", 10)
    assert list(lines.chunks(["abcdef", "abcd", "a", "b", "c"], 2)) == [
        ["abcdef", "abcd"],
        ["a", "b"],
        ["c"],
    ]
    assert list(lines.chunks(["x" * 20, "a"], 2)) == [["x" * 20], ["a"]]


def numbers(schema, definitions, path=""):
    """Every number of a JSON schema, with its path."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if schema.get("type") in ("integer", "number"):
        yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from numbers(inner, definitions, f"{path}.{name}")
    for inner in schema.get("anyOf", []):
        yield from numbers(inner, definitions, path)
    if "items" in schema:
        yield from numbers(schema["items"], definitions, path)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_number_of_a_recipe_has_bounds(recipe):
    schema = RECIPES[recipe].Config.model_json_schema()
    found = dict(numbers(schema, schema["$defs"]))
    assert len(found) > 20
    for path, number in found.items():
        assert {"maximum", "exclusiveMaximum"} & set(number), path
        assert {"minimum", "exclusiveMinimum"} & set(number), path


@pytest.mark.parametrize(
    "recipe, override, message",
    [
        ("sentiment", "model.num_layers=2000", "model.num_layers: must be at most 64."),
        ("sentiment", "model.units=1000000", "model.units: must be at most 16,384."),
        ("tagging", "model.units=1000000", "model.units: must be at most 16,384."),
        ("translation", "tokenizer.vocabulary_size=1000000000", "must be at most 1,000,000."),
        ("captioning", "training.epochs=10000000", "training.epochs: must be at most 100,000."),
        ("sentiment", "training.batch_size=1000000000", "must be at most 65,536."),
        ("sentiment", "model.sequence_length=10000000", "must be at most 16,384."),
        (
            "sentiment",
            "model={units: 16000, embedding_dim: 16000, num_layers: 10}",
            "this one has about 20,608,000,000, which take 330 GB in training. Received: "
            "tokenizer.vocabulary_size=8000, model.units=16000, model.num_layers=10",
        ),
    ],
)
def test_large_settings_are_refused(recipe, override, message):
    name = {"captioning": "generated_scenes", "translation": "generated_dates"}.get(recipe)
    values = {"data": {"name": name} if name else {"train": "a.tsv"}}
    with pytest.raises(ConfigError) as error:
        resolve(RECIPES[recipe].Config, values, [override], source="it")
    assert message in str(error.value)


@pytest.mark.parametrize("name", [it.name for it in data.list_datasets() if not it.files])
def test_generated_datasets_are_bounded(name):
    if (folder := data.path(name)) is not None:
        pytest.skip(f"embedded in {folder.name}")
    with pytest.raises(ValueError, match="train must be at most 1,000,000.*, 10,000 GB"):
        data.load(name, train=10**10)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"beam": 100_000}, "`beam` must be an integer of at most 1,024"),
        ({"beam": 10**7, "n_best": 10**6}, "`beam` must be an integer of at most 1,024"),
        ({"max_length": 10**9}, "`max_length` must be an integer of at most 16,384"),
        ({"min_length": 10**9}, "`min_length` must be an integer of at most 16,383"),
        ({"no_repeat_ngram": 10**9}, "`no_repeat_ngram` must be an integer of at most 16,384"),
        ({"length_penalty": 1e300}, "`length_penalty` must be at most 1000"),
    ],
)
def test_large_options_of_a_search_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SearchOptions(**options)


def test_every_option_of_a_task_has_bounds():
    for task in TASKS.values():
        for name, option in (task.options | task.score_options).items():
            if (
                option.type not in ("string", "boolean") and name != "seed"
            ):  # any seed costs nothing
                assert option.minimum < option.maximum < 10**6


@pytest.mark.parametrize(
    "setting, message",
    [
        ("beam=x", "--set beam: must be a whole number. Received: 'x'"),
        ("beam=null", "--set beam: must be a whole number. Received: None"),
        ("beam=1.5", "--set beam: must be a whole number. Received: 1.5"),
        ("beam=1e9", "--set beam: must be a whole number. Received: 1000000000.0"),
        ("beam=true", "--set beam: must be a whole number. Received: True"),
        ("beam=100000", "--set beam: must be at most 1,024. Received: 100000"),
        ("beam=0", "--set beam: must be at least 1. Received: 0"),
        ("max_length=x", "--set max_length: must be a whole number or null. Received: 'x'"),
        ("length_penalty=.nan", "--set length_penalty: must be a finite number or null."),
        ("n_best=9", "`n_best` must be at most `beam`. Received: n_best=9, beam=5"),
        ("n_best=[", "--set n_best: the value is not valid YAML"),
    ],
)
def test_set_is_read_as_a_recipe(setting, message, capsys):
    assert main(["infer", "gru_bahdanau_multi30k_en_de", "a", "--set", setting]) == 2
    assert message in capsys.readouterr().err


def test_half_of_a_surrogate_pair_is_no_text():
    assert compose("plain") == "plain" and compose("e\u0301") == "é"
    with pytest.raises(ValueError, match=r"valid Unicode.*Received: '\\ud800' at character 3"):
        compose("ab\ud800")
