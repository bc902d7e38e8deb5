import gzip
import json

import pytest

from zoo.data import load_labelled

pytestmark = pytest.mark.once

ROWS = [(f"review {i}, “{i}”", ("good", "bad", "so-so")[i % 3]) for i in range(30)]


def csv_bytes(rows=ROWS, header="text,label"):
    lines = [header, *(f'"{text}",{label}' for text, label in rows)]
    return "\n".join(lines).encode() + b"\n"


def write(folder, name, content):
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def error(folder, name, content, kind=ValueError, **options):
    with pytest.raises(kind) as caught:
        load_labelled(write(folder, name, content), **options)
    return str(caught.value)


def as_format(suffix):
    if suffix == "csv":
        return csv_bytes()
    if suffix == "tsv":
        return "".join(f"{a}\t{b}\n" for a, b in [("text", "label"), *ROWS]).encode()
    return "".join(json.dumps({"text": a, "label": b}) + "\n" for a, b in ROWS).encode()


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_every_format_gives_the_same_dataset(tmp_path, suffix, end):
    path = write(tmp_path, f"mine.{suffix}{end}", as_format(suffix))
    dataset = load_labelled(path, test=path)
    assert dataset.name == "mine" and dataset.task == "text_classifier"
    assert dataset.labels == ("bad", "good", "so-so")
    assert list(dataset.splits) == ["train", "dev", "test"]
    test = dataset.splits["test"]
    assert list(zip(test["text"], test["label"], strict=True)) == ROWS
    assert len(dataset.splits["train"]["text"]) == 27
    assert sorted(dataset.splits["dev"]["label"]) == ["bad", "good", "so-so"]
    assert dataset.digest == load_labelled(write(tmp_path, "a.csv", csv_bytes()), test=path).digest


def test_dev_is_held_out_by_the_seed_or_given(tmp_path):
    path = write(tmp_path, "a.csv", csv_bytes())
    assert load_labelled(path).splits == load_labelled(path).splits
    assert load_labelled(path).splits["dev"] != load_labelled(path, seed=1).splits["dev"]
    assert len(load_labelled(path, dev_fraction=0.5).splits["dev"]["text"]) == 15
    named = load_labelled(path, dev=path)
    assert named.splits["dev"] == named.splits["train"]


def test_quotes_line_breaks_a_byte_order_mark_and_other_columns(tmp_path):
    content = '\ufeffid,score,words\r\n1,1,"a ""quoted"", one"\r\n2,0,"two\nlines"\r\n\r\n3,0,\r\n'
    path = write(tmp_path, "a.csv", content.encode())
    dataset = load_labelled(path, dev=path, text="words", label="score")
    assert dataset.splits["train"]["text"] == ['a "quoted", one', "two\nlines", ""]
    assert dataset.labels == ("0", "1")


def test_labels_may_be_numbers_or_booleans(tmp_path):
    rows = [{"text": str(i), "label": label} for i, label in enumerate([10, 9, -1, 9])]
    path = write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)).encode())
    assert load_labelled(path, dev=path).labels == ("-1", "9", "10")
    path = write(tmp_path, "b.jsonl", b'{"text": "a", "label": true}\n{"text":"","label":false}')
    assert load_labelled(path, dev=path).labels == ("false", "true")


def test_a_text_of_100_000_words(tmp_path):
    long = "word " * 100_000
    path = write(tmp_path, "a.csv", csv_bytes([(long, "x"), ("b", "y")]))
    assert load_labelled(path, dev=path).splits["train"]["text"][0] == long


def test_errors_in_encoding_name_the_line(tmp_path):
    content = csv_bytes() + "정말 재미있어요,good\n".encode("cp949")
    message = error(tmp_path, "a.csv", content)
    assert "a.csv, line 32: the file must be UTF-8" in message and "byte 0xc1" in message
    assert "line 1:" in error(tmp_path, "b.tsv", "text\tlabel\n".encode("utf-16"))


def test_the_error_of_a_missing_column_lists_the_others(tmp_path):
    message = error(tmp_path, "a.csv", csv_bytes(header="txt,label"))
    assert "line 1: there is no column 'text'. Did you mean `txt`?" in message
    assert "Received: 'txt', 'label'" in message
    message = error(tmp_path, "b.jsonl", b'{"text":"a","label":"b"}\n{"text":"a","lable":"b"}\n')
    assert "line 2: there is no column 'label'. Did you mean `lable`?" in message
    assert "more than one column is named 'text'" in error(tmp_path, "c.csv", b"text,label,text\n")


def test_one_class_only(tmp_path):
    message = error(tmp_path, "a.csv", csv_bytes([("a", "good"), ("b", "good")]))
    assert "at least two classes" in message and "'good'" in message


def test_a_label_that_training_lacks(tmp_path):
    other = write(tmp_path, "dev.csv", csv_bytes([("a", "great")]))
    message = error(tmp_path, "a.csv", csv_bytes(), dev=other)
    assert "dev.csv with ['great']" in message and "'so-so'" in message


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.csv.gz"])
def test_no_rows(tmp_path, name):
    assert "has no rows" in error(tmp_path, name, b"")
    if name != "a.jsonl":
        header = b"text\tlabel\n" if name == "a.tsv" else b"text,label\n"
        assert "has no rows" in error(tmp_path, name, header)


def test_too_few_rows_to_hold_any_out(tmp_path):
    message = error(tmp_path, "a.csv", csv_bytes([("a", "x"), ("b", "y")]))
    assert "Too few rows" in message and "2 rows" in message
    message = error(tmp_path, "a.csv", csv_bytes(), dev_fraction=1.0)
    assert "dev_fraction=1.0" in message


@pytest.mark.parametrize(
    "name, content, expected",
    [
        ("a.csv", b"text,label\na,b,c\n", "line 2: each row must have the 2 fields"),
        ("a.csv", b'text,label\n"a,b\nc,d\n', "not a valid .csv row"),
        ("a.tsv", b"text\tlabel\nonly text\n", "line 2: each row must have the 2 fields"),
        ("a.csv", b"text,label\na,\n", "line 2: the label must be a word"),
        ("a.jsonl", b'{"text": "a", "label": "b"}\n{"text"\n', "line 2: each line must be JSON"),
        ("a.jsonl", b"[1]\n", "must be a JSON object"),
        ("a.jsonl", b'{"text": 3, "label": "b"}\n', "the text must be a string"),
        ("a.jsonl", b'{"text": "a", "label": 0.5}\n', "Received: 0.5"),
        ("a.jsonl", b'{"text": "\\ud83d", "label": "b"}\n', "surrogate pair"),
        ("a.xlsx", b"", "suffix must tell the format: .csv, .tsv, .jsonl"),
        ("a", b"", "suffix must tell the format"),
    ],
)
def test_other_errors(tmp_path, name, content, expected):
    assert expected in error(tmp_path, name, content)


def test_a_damaged_gzip_file(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(csv_bytes())[:-12])
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_labelled(path)
    path.write_bytes(b"text,label\n")
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_labelled(path)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file.*a.csv"):
        load_labelled(tmp_path / "a.csv")
