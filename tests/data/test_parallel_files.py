import gzip
import json

import pytest

from zoo.data import load_parallel, read_parallel

pytestmark = pytest.mark.once

# Every fifth source occurs twice, and one line of each side is empty.
SOURCES = ["" if i == 7 else f"sentence {i - i % 5 if i % 5 == 1 else i}, “so”" for i in range(50)]
TARGETS = ["" if i == 9 else f"문장 {i}" for i in range(50)]


def write(folder, name, content):
    content = content if isinstance(content, bytes) else content.encode()
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def write_pair(folder, name="mine", end="", sources=SOURCES, targets=TARGETS):
    texts = {"en": sources, "ko": targets}
    return tuple(
        write(folder, f"{name}.{language}{end}", "".join(f"{line}\n" for line in lines))
        for language, lines in texts.items()
    )


def error(files, kind=ValueError, **options):
    with pytest.raises(kind) as caught:
        read_parallel(files, **options)
    return str(caught.value)


def as_table(suffix, names=("source", "target")):
    rows = list(zip(SOURCES, TARGETS, strict=True))
    if suffix == "jsonl":
        return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    form = '"{}","{}"\n' if suffix == "csv" else "{}\t{}\n"
    return "".join(form.format(*row) for row in [names, *rows])


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("suffix", ["txt", "csv", "tsv", "jsonl"])
def test_every_format_gives_the_same_dataset(tmp_path, suffix, end):
    if suffix == "txt":
        files = write_pair(tmp_path, end=end)
    else:
        files = write(tmp_path, f"mine.{suffix}{end}", as_table(suffix))
    assert read_parallel(files) == {"source": SOURCES, "target": TARGETS}
    dataset = load_parallel(files, dev=files, test=files)
    assert dataset.name == "mine" and dataset.task == "seq2seq_lm"
    assert dataset.labels == () and dataset.languages == ()
    assert list(dataset.splits) == ["train", "dev", "test"]
    assert all(columns == read_parallel(files) for columns in dataset.splits.values())
    pair = write_pair(tmp_path, "other")
    assert dataset.digest == load_parallel(list(map(str, pair)), dev=pair, test=pair).digest


def test_columns_are_chosen_and_swapped(tmp_path):
    table = write(tmp_path, "a.tsv", as_table("tsv", names=("en", "ko")))
    forth = load_parallel(table, source="en", target="ko")
    back = load_parallel(table, dev=table, source="ko", target="en")
    assert back.splits["train"] == {"source": TARGETS, "target": SOURCES}
    assert forth.digest != back.digest
    message = error(table, source="ne", target="ko")
    assert "a.tsv, line 1: there is no column 'ne'. Did you mean `en`?" in message
    assert "The arguments `source` and `target` name the" in message
    assert "Received: 'en', 'ko'" in message


def test_held_out_rows_share_no_source_text(tmp_path):
    pair = write_pair(tmp_path)
    dataset = load_parallel(pair, dev_fraction=0.3)
    train, dev = dataset.splits["train"], dataset.splits["dev"]
    assert len(dev["source"]) == 15 and not set(train["source"]) & set(dev["source"])
    assert "" in train["source"] + dev["source"]
    rows = {*zip(*train.values(), strict=True), *zip(*dev.values(), strict=True)}
    assert rows == set(zip(SOURCES, TARGETS, strict=True))


def test_held_out_rows_depend_on_the_seed(tmp_path):
    pair = write_pair(tmp_path)
    assert load_parallel(pair) == load_parallel(pair)
    assert load_parallel(pair).digest != load_parallel(pair, seed=1).digest
    turned = write_pair(tmp_path, "turned", sources=SOURCES[::-1], targets=TARGETS[::-1])
    held, again = (set(load_parallel(files).splits["dev"]["source"]) for files in (pair, turned))
    assert held == again


def test_files_of_unequal_length(tmp_path):
    first, second = write_pair(tmp_path, targets=TARGETS[:-2])
    message = error((first, second))
    assert "mine.ko ends after line 48." in message
    assert "mine.en with 50 lines" in message and "mine.ko with 48" in message
    message = error((second, first))
    assert "mine.ko ends after line 48." in message
    assert "mine.en ends after line 0." in error(write_pair(tmp_path, sources=[]))


def test_line_ends_and_a_byte_order_mark_are_removed(tmp_path):
    first = write(tmp_path, "a.txt", "\ufeffone\r\n\r\n two \u2028\x0b\r\n")
    second = write(tmp_path, "b.txt", "하나\n둘\n")
    assert "b.txt ends after line 2" in error((first, second))
    second = write(tmp_path, "b.txt", "하나\n\n둘")
    assert read_parallel((first, second)) == {
        "source": ["one", "", " two \u2028\x0b"],
        "target": ["하나", "", "둘"],
    }


def test_no_rows(tmp_path):
    assert "has no rows" in error(write_pair(tmp_path, sources=[], targets=[]))
    assert "has no rows" in error(write(tmp_path, "a.tsv", "source\ttarget\n"))
    assert "has no rows" in error(write(tmp_path, "a.jsonl", ""))


def test_too_few_rows_to_hold_any_out(tmp_path):
    with pytest.raises(ValueError, match="keep some: add rows.*mine.en with 1 rows"):
        load_parallel(write_pair(tmp_path, sources=["a"], targets=["b"]))
    with pytest.raises(ValueError, match="Too few rows, or too few different texts"):
        load_parallel(write_pair(tmp_path, sources=["a"] * 9, targets=["b"] * 9))
    with pytest.raises(ValueError, match="dev_fraction=0"):
        load_parallel(write_pair(tmp_path), dev_fraction=0)


def test_errors_in_encoding_name_the_line(tmp_path):
    first, _ = write_pair(tmp_path)
    second = write(tmp_path, "b.ko", "하나\n".encode() + "둘\n".encode("cp949"))
    assert "b.ko, line 2: the file must be UTF-8" in error((first, second))


@pytest.mark.parametrize(
    "count, expected",
    [(0, "Received: 0 files"), (1, "Received: 1 files"), (3, "Received: 3 files")],
)
def test_a_pair_needs_two_files(tmp_path, count, expected):
    pair = write_pair(tmp_path)
    message = error([*pair, *pair][:count])
    assert "two text files, (source, target), or one table" in message and expected in message


def test_other_errors(tmp_path):
    first, second = write_pair(tmp_path)
    assert "text files come in pairs, (source, target)" in error(first)
    assert "no such file" in error((first, tmp_path / "c"), kind=FileNotFoundError)
    assert "no such file" in error(tmp_path / "c.tsv", kind=FileNotFoundError)
    rows = b'{"source": "a", "target": null}\n'
    assert "line 1: the text must be a string" in error(write(tmp_path, "a.jsonl", rows))
    damaged = tmp_path / "d.ko.gz"
    damaged.write_bytes(gzip.compress(second.read_bytes())[:-9])
    assert "damaged or cut short" in error((first, damaged))
