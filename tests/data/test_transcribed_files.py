import pytest

from zoo.audio import AudioFile
from zoo.data import load_transcribed, read_transcribed

pytestmark = pytest.mark.once

ROWS = [
    ("a.wav", "one  two", "ann"),
    ("sub/b.flac", "", "bob"),
    ("c.wav", "caf\u0065\u0301", "ann"),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, *_ in ROWS:
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def table(folder, rows=ROWS, name="it.tsv", head=("audio", "text", "speaker")):
    file = folder / name
    file.write_text("".join("\t".join(row) + "\n" for row in [head, *rows]), "utf-8")
    return file


def test_columns_of_a_table(folder):
    columns = read_transcribed(table(folder), speaker="speaker")
    assert columns == {
        "audio": [AudioFile(name, folder / name) for name, *_ in ROWS],
        "text": ["one two", "", "caf\u00e9"],
        "speaker": ["ann", "bob", "ann"],
    }
    assert read_transcribed(table(folder))["speaker"] == ["", "", ""]


def test_names_of_columns_and_folder(folder, tmp_path):
    (tmp_path / "lists").mkdir()
    file = table(tmp_path / "lists", head=("path", "said", "who"))
    columns = read_transcribed(file, folder, "path", "said", "who")
    assert columns["audio"][0].read() == b"a.wav"


def test_dev_is_held_out_of_train(folder):
    dataset = load_transcribed(table(folder), dev_fraction=0.4, speaker="speaker")
    assert dataset.name == "it" and dataset.task == "speech_to_text" and dataset.labels == ()
    train, dev = dataset.splits["train"], dataset.splits["dev"]
    assert len(train["text"]) == 2 and len(dev["text"]) == 1 and list(dev) == list(train)
    assert dataset == load_transcribed(table(folder), dev_fraction=0.4, speaker="speaker")
    three = load_transcribed(
        table(folder), dev=table(folder, ROWS[:1], "dev.tsv"), test=table(folder)
    )
    assert [len(rows["text"]) for rows in three.splits.values()] == [3, 1, 3]


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (
            [("no.wav", "a", "x"), *ROWS],
            FileNotFoundError,
            "1 of 4 recordings.*argument `recordings`",
        ),
        ([("../a.wav", "a", "x")], ValueError, "line 2: the path must be.*'../a.wav'"),
        ([("/a.wav", "a", "x")], ValueError, "line 2: the path must be"),
        ([], ValueError, "no rows"),
    ],
)
def test_wrong_tables(folder, rows, error, message):
    with pytest.raises(error, match=message):
        read_transcribed(table(folder, rows))


def test_missing_columns(folder):
    with pytest.raises(ValueError, match="no column 'text'.*data.text"):
        read_transcribed(table(folder, head=("audio", "words", "speaker")))
