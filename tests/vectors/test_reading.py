"""Word vectors: files, look-up, coverage, names, subwords."""

import gzip
import unicodedata

import numpy as np
import pytest

from zoo.vectors import VectorFileError, find_vectors, named_vectors, read_vectors
from zoo.vectors.subwords import split_words, subword_matrix

pytestmark = pytest.mark.once

TEXT = "the 1 0\nFilm 0 1\ngood 0.5 -2\ncafé 3 3\ngood 9 9\nn't 4 4\n"
WORDS = ["the", "Film", "good", "café", "good", "n't"]
MATRIX = np.array([[1, 0], [0, 1], [0.5, -2], [3, 3], [9, 9], [4, 4]])


def write(folder, kind):
    path = folder / f"tiny{kind}"
    if kind == ".npz":
        np.savez(path, words=np.array(WORDS), vectors=MATRIX)
    elif kind == "":
        path.mkdir()
        np.save(path / "vectors.npy", MATRIX.astype("float16"))
        (path / "words.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    elif kind.endswith(".gz"):
        path.write_bytes(gzip.compress(TEXT.encode()))
    else:  # word2vec writes a header, and a space at the end of a line
        header = "6 2\n" if kind == ".vec" else ""
        path.write_text(header + TEXT.replace("\n", " \n" if header else "\n"), "utf-8")
    return path


@pytest.mark.parametrize("kind", [".txt", ".vec", ".txt.gz", ".npz", ""])
def test_each_format_gives_the_same_vectors(tmp_path, kind):
    vectors = read_vectors(write(tmp_path, kind), ["FILM", "good", "Good", "missing"])
    assert vectors.size == 2 and set(vectors.rows) == {"Film", "good"}  # cut to the vocabulary
    found = vectors.matrix_of(["film", "good", "missing"])
    np.testing.assert_array_equal(found, [[0, 1], [0.5, -2], [0, 0]])  # the first of two rows
    assert find_vectors(str(tmp_path / f"tiny{kind}")) == tmp_path / f"tiny{kind}"


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path):
    path = tmp_path / "marked.txt"
    path.write_text("the 1 2\ncat 3 4\n", "utf-8-sig")
    assert set(read_vectors(path, ["the", "cat"]).rows) == {"the", "cat"}


def test_look_up_prefers_the_exact_form_then_lower_case_then_any(tmp_path):
    path = tmp_path / "cased.txt"
    path.write_text("US 1 1\nus 2 2\nParis 3 3\nPARIS 4 4\ncafé 5 5\ndon't 6 6\n", "utf-8")
    words = ["US", "us", "Us", "paris", unicodedata.normalize("NFD", "Café"), "Don’t"]
    vectors = read_vectors(path, words)
    assert [vectors.matrix_of([word])[0, 0] for word in words] == [1, 2, 2, 3, 5, 6]
    assert "uS" in vectors and "u" not in vectors


def test_coverage_counts_words_and_tokens(tmp_path):
    vectors = read_vectors(write(tmp_path, ".txt"), ["the"], most_frequent=3)
    assert vectors.most_frequent == ("the", "Film", "good") and len(vectors.matrix) == 3
    words = ["the", "the", "the", "film", "n't", "x", "good", "good"]
    assert vectors.coverage(words) == {"words": 3 / 5, "tokens": 6 / 8}
    assert vectors.coverage(words, {"the", "x"}) == {"words": 1 / 5, "tokens": 3 / 8}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the 1 0\ngood 1\n", "Line 2 of the word vectors has 1 numbers, where the file has 2"),
        ("the 1 0\ngood 1 2 3\n", "Line 2 of the word vectors has 3 numbers"),
        ("2 2\nthe 1 0\ngood nan 1\n", "Line 3 .* not finite, for the word 'good'"),
        ("the 1 0\ngood 1 x\n", "Line 2 .* no number"),
        ("3 2\nthe 1 0\ngood 1 2\n", '2 of 3 words|change that line to "2 2"'),
        ("the quick\nbrown fox\n", "a word and its numbers"),
        ("", "a word and its numbers"),
        ("one 1 0\n", "none of the 2 words of the data"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(VectorFileError, match=message):
        read_vectors(path, ["the", "good"])


def test_damaged_words_that_are_not_read_do_no_harm(tmp_path):
    path = tmp_path / "odd.txt"  # and GloVe 840B has words with spaces
    path.write_text("the 1 0\nother nan 1\nat name@domain.com 1 1\n")
    assert read_vectors(path, ["the"]).matrix.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("name", "message"),
    [("x.bin", "save_word2vec_format"), ("x.zip", "unpack"), ("x.csv", "a text file with")],
)
def test_other_formats_are_refused_with_a_remedy(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"\0")
    with pytest.raises(VectorFileError, match=message):
        read_vectors(tmp_path / name, ["the"])


def test_arrays_must_fit_their_words(tmp_path):
    np.savez(tmp_path / "short.npz", words=np.array(["a", "b"]), vectors=np.ones((3, 2)))
    with pytest.raises(VectorFileError, match=r"2 words and an array \[3, 2\]"):
        read_vectors(tmp_path / "short.npz", ["a"])
    np.savez(tmp_path / "other.npz", rows=np.ones(3))
    with pytest.raises(VectorFileError, match="numpy.savez"):
        read_vectors(tmp_path / "other.npz", ["a"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(VectorFileError, match="lacks words.txt and vectors.npy"):
        read_vectors(tmp_path / "empty", ["a"])


def test_names_are_searched_in_three_folders(tmp_path, monkeypatch, home):
    for folder in ("data", "vectors", "mine"):
        (tmp_path / folder).mkdir()
    (home / "vectors").mkdir()
    cached = write(home / "vectors", ".vec")
    assert find_vectors("tiny") == cached
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    beside = write(tmp_path / "vectors", "")
    assert find_vectors("tiny") == beside
    monkeypatch.setenv("ZOO_VECTORS", str(tmp_path / "mine"))
    mine = write(tmp_path / "mine", ".txt.gz")
    assert named_vectors() == {"tiny": mine}
    with pytest.raises(FileNotFoundError, match="Did you mean `tiny`"):
        find_vectors("tinny")
    with pytest.raises(FileNotFoundError, match="download https://nlp.stanford.edu/.*glove.6B.50d"):
        find_vectors("glove_6b_50d")


class Pieces:
    """A subword tokenizer of four pieces."""

    pieces = ("<unk>", "▁good", "ness", "▁bad")

    def encode(self, texts):
        known = {"good": [1], "goodness": [1, 2], "badness": [3, 2], "bad": [3], "new": [0]}
        return [known[text] for text in texts]

    def vocabulary_size(self):
        return 4

    def id_to_token(self, id):
        return self.pieces[id]


def test_subwords_have_the_mean_of_their_words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("good 1 0\ngoodness 4 0\nbadness 0 8\n")
    counts = ["good"] * 2 + ["goodness"] * 3 + ["badness"] + ["bad"] * 5
    matrix = subword_matrix(Pieces(), read_vectors(path, counts), counts)
    # "▁good" is a word; "ness" is in 3 × goodness and 1 × badness; "▁bad" in badness alone
    np.testing.assert_allclose(matrix, [[0, 0], [1, 0], [3, 2], [0, 8]])


def test_words_of_subwords_have_no_punctuation_at_their_ends():
    assert split_words("A “good” film, isn't it? …") == ["A", "good", "film", "isn't", "it"]
