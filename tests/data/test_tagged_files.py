import gzip

import pytest

from zoo.data import load_tagged, read_tagged, tag_set

pytestmark = pytest.mark.once

TOKENS = [[f"word{i}", "goes", f"“{i}”"] for i in range(20)] + [["yes"]]
TAGS = [["NOUN", "VERB", ("NUM", "SYM")[i % 2]] for i in range(20)] + [["INTJ"]]


def as_conllu(column=3):
    lines = []
    for tokens, tags in zip(TOKENS, TAGS, strict=True):
        lines.append("# text = …")
        for i, (token, tag) in enumerate(zip(tokens, tags, strict=True), 1):
            fields = [str(i), token, *"________"]
            fields[column] = tag
            lines.append("\t".join(fields))
        lines.append("")
    return "\n".join(lines) + "\n"


def as_columns(between="\t", end="\n"):
    sentences = (
        "".join(f"{token}{between}x{between}{tag}{end}" for token, tag in zip(*pair, strict=True))
        for pair in zip(TOKENS, TAGS, strict=True)
    )
    return end.join(sentences)


def write(folder, name, content):
    path = folder / name
    content = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def error(file, kind=ValueError, **options):
    with pytest.raises(kind) as caught:
        load_tagged(file, **options)
    return str(caught.value)


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("suffix", ["conllu", "CONLL", "txt", "tsv"])
def test_every_format_gives_the_same_dataset(tmp_path, suffix, end):
    content = as_conllu() if suffix == "conllu" else as_columns(" " if suffix == "txt" else "\t")
    path = write(tmp_path, f"mine.{suffix}{end}", content)
    assert read_tagged(path) == {"tokens": TOKENS, "tags": TAGS}
    dataset = load_tagged(path, dev=str(path), test=path)
    assert dataset.name == "mine" and dataset.task == "token_classifier"
    assert dataset.labels == ("INTJ", "NOUN", "NUM", "SYM", "VERB") == tag_set(TAGS)
    assert dataset.languages == () and dataset.licence == "not stated"
    assert list(dataset.splits) == ["train", "dev", "test"]
    assert all(columns == read_tagged(path) for columns in dataset.splits.values())
    other = write(tmp_path, "other.tsv", as_columns())
    assert dataset.digest == load_tagged(other, dev=other, test=other).digest


def test_line_ends_and_a_byte_order_mark_are_removed(tmp_path):
    path = write(tmp_path, "a.txt", "\ufeff" + as_columns(" ", "\r\n"))
    assert read_tagged(path) == {"tokens": TOKENS, "tags": TAGS}
    path = write(tmp_path, "a.conllu", as_conllu().replace("\n", "\r\n"))
    assert read_tagged(path) == {"tokens": TOKENS, "tags": TAGS}


def test_the_column_of_conllu_is_chosen(tmp_path):
    path = write(tmp_path, "a.conllu", as_conllu(column=4))
    assert read_tagged(path, column="xpos")["tags"] == TAGS
    assert load_tagged(path, column="xpos").splits["dev"]["tags"]
    assert "a.conllu, line 2: every word must have its upos" in error(path)
    message = error(path, column="pos")
    assert "one of upos, xpos" in message and "Did you mean" in message
    assert "Received: column='pos'" in message


def test_held_out_rows_share_no_sentence(tmp_path):
    path = write(tmp_path, "a.tsv", as_columns() + "\n" + as_columns())
    dataset = load_tagged(path, dev_fraction=0.3)
    train, dev = dataset.splits["train"], dataset.splits["dev"]
    assert list(train) == list(dev) == ["tokens", "tags"]
    assert (len(train["tokens"]), len(dev["tokens"])) == (30, 12)  # 13 is no multiple of 2
    sentences = [set(map(tuple, part["tokens"])) for part in (train, dev)]
    assert not sentences[0] & sentences[1] and len(sentences[0] | sentences[1]) == 21
    for part in (train, dev):
        for tokens, tags in zip(part["tokens"], part["tags"], strict=True):
            assert TAGS[TOKENS.index(tokens)] == tags
    assert load_tagged(path) == load_tagged(path)
    assert load_tagged(path).digest != load_tagged(path, seed=1).digest
    assert "dev_fraction=1" in error(path, dev_fraction=1)


def test_labels_are_the_tags_of_train_alone(tmp_path):
    train = write(tmp_path, "train.tsv", "a\tB-X\nb\tO\n")
    dev = write(tmp_path, "dev.tsv", "a\tB-Y\n")
    assert load_tagged(train, dev=dev).labels == ("B-X", "O")


def test_one_tag_only(tmp_path):
    message = error(write(tmp_path, "a.tsv", "a\tx\tO\n\nb\ty\tO\n"))
    assert "at least two tags" in message and "the one tag 'O'" in message


@pytest.mark.parametrize("name", ["a.conllu", "a.conll", "a.txt.gz"])
def test_no_sentences(tmp_path, name):
    assert f"has no rows. Received: '{tmp_path}/{name}'" in error(write(tmp_path, name, ""))
    assert "has no rows" in error(write(tmp_path, name, "\n\n"))


def test_too_few_sentences_to_hold_any_out(tmp_path):
    message = error(write(tmp_path, "a.tsv", "a\tX\nb\tY\n"))
    assert "Too few rows" in message and "a.tsv with 1 rows" in message


def test_errors_name_the_file_and_the_line(tmp_path):
    message = error(write(tmp_path, "a.conll", "a O\n\nb\n"))
    assert message.startswith(f"{tmp_path}/a.conll, line 3: a line must have at least two columns")
    message = error(write(tmp_path, "a.conllu.gz", as_conllu() + "1\ta\n"))
    assert message.startswith(f"{tmp_path}/a.conllu.gz, line 104: a line of CoNLL-U must have 10")
    message = error(write(tmp_path, "a.tsv", b"a\tO\n" + "둘\tO\n".encode("cp949")))
    assert message.startswith(f"{tmp_path}/a.tsv, line 2: the file must be UTF-8")


def test_other_errors(tmp_path):
    for name in ("a.csv", "a", "a.gz", "a.conllu.zip"):
        message = error(write(tmp_path, name, ""))
        assert ".conllu for CoNLL-U, .conll, .txt, .tsv for columns" in message
    assert "no such file" in error(tmp_path / "b.conllu", kind=FileNotFoundError)
    damaged = tmp_path / "c.tsv.gz"
    damaged.write_bytes(gzip.compress(as_columns().encode())[:-9])
    assert "damaged or cut short" in error(damaged)


def test_tags_of_another_notation_are_read_as_bioes_in_every_split(tmp_path):
    train, dev = tmp_path / "train.conll", tmp_path / "dev.conll"
    train.write_text("a B-x\nb L-x\nc U-y\nd O\n\n")
    dev.write_text("a U-x\n\n")
    with pytest.warns(UserWarning, match="L-x as E-x, U-x as S-x, U-y as S-y"):
        dataset = load_tagged(train, dev)
    assert dataset.labels == ("B-x", "E-x", "O", "S-y")
    assert dataset.splits["dev"]["tags"] == [["S-x"]]
    with pytest.warns(UserWarning, match="U-x as S-x"):
        train.write_text("a U-x\nb O\n")
        assert read_tagged(train)["tags"] == [["S-x", "O"]]
