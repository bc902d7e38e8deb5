"""Training of word vectors, and the verb `zoo vectors`."""

import numpy as np
import pytest

from zoo.cli.program import main
from zoo.vectors import read_vectors
from zoo.vectors.training import nearest

pytestmark = pytest.mark.once


def test_verb_trains_lists_and_finds_neighbours(tmp_path, monkeypatch, capsys):
    pytest.importorskip("gensim")
    monkeypatch.setenv("ZOO_VECTORS", str(tmp_path))
    (tmp_path / "text.txt").write_text("Good films, good plays.\nBad films!\n" * 20)
    text, folder = str(tmp_path / "text.txt"), tmp_path / "own"
    options = ["--output", str(folder), "--size", "8", "--epochs", "1", "--lowercase"]
    assert main(["vectors", "train", text, *options]) == 0
    assert "40 sentences with 180 words" in capsys.readouterr().err
    vectors = read_vectors(folder, ["good"], most_frequent=9)
    assert vectors.size == 8 and set(vectors.rows) == {*"good films , plays . bad !".split()}
    assert main(["vectors", "ls"]) == 0
    assert str(folder) in capsys.readouterr().out
    assert main(["vectors", "nearest", "own", "GOOD", "xyz", "--count", "2"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("GOOD: ") and said.out.count(",") in (1, 2)
    assert "xyz: has no vector" in said.err
    assert main(["vectors", "train", text, *options]) == 2
    assert "must be a new folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "nothere.txt", "--output", "x"], "no file and no dataset `nothere.txt`"),
        (["train", "nsmc"], "TEXT… --output DIR"),
        (["train", "flickr8k_", "--output", "x"], "Did you mean `flickr8k`"),
        (["nearest", "glove_6b_50d"], "needs vectors and one or more words"),
        (["train", "nsmc", "--size", "0"], "--size must be at least 1"),
    ],
)
def test_wrong_use_is_refused(words, message, capsys):
    assert main(["vectors", *words]) == 2
    assert message in capsys.readouterr().err


def test_nearest_by_cosine():
    vectors = np.array([[1, 0], [9, 1], [0, 1], [-1, 0]], "float32")
    found = nearest(["a", "b", "c", "d"], vectors, vectors[0], 3)
    assert [word for word, _ in found] == ["a", "b", "c"]
    assert [cosine for _, cosine in found] == pytest.approx([1, 9 / 82**0.5, 0])
