"""Character tokenizer."""

import numpy as np
import pytest

from zoo.tokenizers import CharacterTokenizer, SubwordTokenizer, train_character_tokenizer

pytestmark = pytest.mark.once

TEXTS = ["ba ab\n", "bä"]


def test_ids_are_the_special_tokens_and_the_sorted_characters():
    tokenizer = train_character_tokenizer(TEXTS)
    assert tokenizer.get_vocabulary() == ["<pad>", "<unk>", "<s>", "</s>", "\n", " ", "a", "b", "ä"]
    assert tokenizer.vocabulary_size() == 9
    assert tokenizer.encode(["ab\n", "", "Bä"]) == [[6, 7, 4], [], [1, 8]]
    for name in ("pad_token_id", "unk_token_id", "start_token_id", "end_token_id"):
        assert getattr(tokenizer, name) == getattr(SubwordTokenizer, name)
    assert [tokenizer.token_to_id(it) for it in ("</s>", "a", "x")] == [3, 6, 1]
    assert [tokenizer.id_to_token(it) for it in (0, 8)] == ["<pad>", "ä"]
    with pytest.raises(ValueError, match=r"size of the vocabulary, 9\. Received: id=9"):
        tokenizer.id_to_token(9)


@pytest.mark.parametrize("text", ["", " ", "ab  ba\n\nä", "ba\u0308"])
def test_known_characters_are_restored_exactly(text):
    tokenizer = train_character_tokenizer(TEXTS)
    (ids,) = tokenizer.encode([text])
    assert ids == tokenizer.tokenize(text) == list(tokenizer(text))
    composed = text.replace("a\u0308", "ä")
    assert tokenizer.detokenize(ids) == composed
    assert tokenizer.detokenize([ids, ids[:1]]) == [composed, composed[:1]]
    assert "".join(tokenizer.pieces(text)) == composed and len(tokenizer.pieces(text)) == len(ids)


def test_unknown_characters_are_named_and_shown():
    tokenizer = train_character_tokenizer(TEXTS)
    assert tokenizer.unknown_characters("xa\txb") == ["x", "\t"]
    assert tokenizer.detokenize(tokenizer.encode(["axb"])[0]) == "a\ufffdb"
    assert tokenizer.detokenize(np.array([[2, 6, 3, 0], [2, 7, 7, 3]])) == ["a", "bb"]
    # What looks like a special token in a text is its characters.
    assert tokenizer.encode(["</s>"]) == [[1, 1, 1, 1]]


def test_the_rarest_characters_are_left_out():
    assert train_character_tokenizer(["aaa", "c", "bb"], 6).get_vocabulary()[4:] == ["a", "b"]
    with pytest.raises(ValueError, match="not empty, and a vocabulary of 5"):
        train_character_tokenizer(["a"], 4)
    with pytest.raises(ValueError, match="0 different characters"):
        train_character_tokenizer(["", ""])


@pytest.mark.parametrize("entry", ["", "ab", "a\u0308", "\u212b", 5])
def test_entries_are_single_composed_characters(entry):
    with pytest.raises(ValueError, match="one character in Unicode's composed form"):
        CharacterTokenizer(["a", entry])


def test_entries_are_different_and_needed():
    with pytest.raises(ValueError, match="'a' twice"):
        CharacterTokenizer(["a", "a"])
    with pytest.raises(ValueError, match="at least one entry"):
        CharacterTokenizer([])
    with pytest.raises(ValueError, match="has no vocabulary"):
        CharacterTokenizer().encode(["a"])


def test_tensors_have_the_same_ids_and_texts():
    tf = pytest.importorskip("tensorflow")
    tokenizer = CharacterTokenizer("ba\nä\U0001f600")  # not sorted
    texts = ["ab\nx", "", "a\u0308\U0001f600\U0001f601"]
    encoded = tokenizer.encode(texts)
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(3).map(tokenizer)
    (found,) = batches
    assert found.to_list() == encoded == tokenizer(texts)
    assert tokenizer(tf.constant(texts[0])).numpy().tolist() == encoded[0]
    assert tokenizer.detokenize(found).numpy()[2].decode() == "ä\U0001f600\ufffd"
    assert tokenizer.special_token_ids == [0, 1, 2, 3]


def test_assets_and_config_restore_the_tokenizer(tmp_path):
    tokenizer = train_character_tokenizer([*TEXTS, '"\\\u2028\U0001f600'])
    tokenizer.save_assets(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["characters.json"]
    again = CharacterTokenizer.from_config(tokenizer.get_config())
    again.load_assets(tmp_path)
    assert again.get_vocabulary() == tokenizer.get_vocabulary()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Expecting value"),
        ('{"a": 1}', "it is no list"),
        ("[1]", "one character"),
        ('["ab"]', "one character"),
        ("[" * 100_000, "recursion"),
        (b"\xff", "utf-8"),
    ],
)
def test_damaged_vocabularies_are_refused(tmp_path, content, message):
    content = content.encode() if isinstance(content, str) else content
    (tmp_path / "characters.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"must be a JSON list of strings.*{message}"):
        CharacterTokenizer().load_assets(tmp_path)


def test_huge_vocabularies_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.tokenizers.vocabulary.MAX_BYTES", 5)
    (tmp_path / "characters.json").write_text('["a", "b"]')
    with pytest.raises(ValueError, match="it has 10 bytes, more than 5"):
        CharacterTokenizer().load_assets(tmp_path)
