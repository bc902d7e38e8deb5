import gzip

import pytest

from zoo import data
from zoo.data import load_texts, read_texts, text_files

pytestmark = pytest.mark.once
LINES = [f"line {i}" for i in range(20)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "novel.txt"
    path.write_text("\n".join(LINES) + "\n")
    return path


def test_a_file_is_one_text_or_a_text_a_line(file):
    assert read_texts(file) == {"text": ["\n".join(LINES)]}
    assert read_texts(file, unit="line") == {"text": LINES}


def test_a_folder_is_read_in_the_order_of_paths(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.TXT").write_text("two")
    (tmp_path / "a.md").write_bytes(b"\xef\xbb\xbfone\r\nmore\r\n")
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress("하나".encode()))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0")
    assert read_texts(tmp_path) == {"text": ["one\nmore", "two", "하나"]}


def test_a_table_has_a_column_of_texts(tmp_path):
    table = tmp_path / "reviews.csv"
    table.write_text('review,stars\n"good,\nindeed",5\nbad,1\n')
    assert read_texts(table, text="review") == {"text": ["good,\nindeed", "bad"]}
    with pytest.raises(ValueError, match="no column 'text'"):
        read_texts(table)


def test_dev_is_the_end_of_the_text(file):
    dataset = load_texts(file, dev_fraction=0.25)
    train, dev = (dataset.splits[split]["text"][0] for split in ("train", "dev"))
    assert f"{train}\n{dev}" == "\n".join(LINES)
    assert 0.2 < len(dev) / len(train + dev) < 0.35
    assert (dataset.name, dataset.task) == ("novel", "causal_lm")
    lines = load_texts(file, unit="line", dev_fraction=0.25).splits
    assert lines["train"]["text"] + lines["dev"]["text"] == LINES


def test_given_splits_are_read(file, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("other")
    splits = load_texts(file, dev=other, test=other).splits
    assert splits["dev"] == splits["test"] == {"text": ["other"]}
    assert list(splits) == ["train", "dev", "test"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "must be UTF-8"),
        (b"MZ\0\0text", "not a text file: it has null bytes.*Received"),
        ("한글".encode("cp949"), "must be UTF-8"),
        (b" \n \n", "no text"),
        (b"", "no text"),
    ],
)
def test_files_that_are_no_text(tmp_path, content, message):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_texts(path)


def test_paths_that_cannot_be_read(tmp_path, file):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read_texts(tmp_path / "absent.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="folder of texts must have files that end in .txt"):
        read_texts(tmp_path / "empty")
    with pytest.raises(ValueError, match="`unit` must be 'file' or 'line'"):
        read_texts(file, unit="page")


def test_texts_are_bounded(file, tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match="at most 0 MiB together"):
        read_texts(file)
    packed = tmp_path / "packed.txt.gz"
    packed.write_bytes(gzip.compress(b"a\n" * 100))
    assert packed.stat().st_size < 100
    with pytest.raises(ValueError, match="at most 0 MiB together"):
        read_texts(packed)


@pytest.mark.parametrize("fraction", [0.9, 0.1])
def test_one_line_cannot_be_split(tmp_path, fraction):
    path = tmp_path / "short.txt"
    path.write_text("one line")
    with pytest.raises(ValueError, match="Too few lines to hold out .* 8 characters in 1 lines"):
        load_texts(path, dev_fraction=fraction)
    with pytest.raises(ValueError, match="dev_fraction must be between 0 and 1"):
        load_texts(path, dev_fraction=1.0)


def test_reviews_are_the_texts_of_the_labelled_dataset(tmp_path, monkeypatch):
    from zoo.data.imdb import Imdb
    from zoo.data.reviews import ImdbReviews

    folder = tmp_path / "imdb"
    assert ImdbReviews().path() is Imdb().path() is None
    folder.mkdir()
    for split in ("train", "test"):
        (folder / f"{split}.tsv").write_text("id\tlabel\trating\ttext\n1\t0\t3\tbad\n")
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    assert ImdbReviews().path() == folder == data.path("imdb_reviews")
