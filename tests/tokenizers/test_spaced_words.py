"""Tokenizer of words between spaces."""

import numpy as np
import pytest

from zoo.tokenizers import SpacedWordTokenizer, train_spaced_word_tokenizer

pytestmark = pytest.mark.once

TEXT = " = Valkyria = \n\n the game , the <unk> @-@ game\n"


@pytest.fixture
def tokenizer():
    return train_spaced_word_tokenizer([TEXT])


def test_words_and_line_breaks(tokenizer):
    assert tokenizer.get_vocabulary() == [
        *("<pad>", "<unk>", "<eos>"),
        *("=", "game", "the", ",", "@-@", "Valkyria"),
    ]
    (ids,) = tokenizer.encode([TEXT])
    words = [tokenizer.id_to_token(i) for i in ids]
    assert words == [*"= Valkyria = <eos> <eos> the game , the <unk> @-@ game <eos>".split()]
    assert tokenizer.detokenize(ids) == "= Valkyria =\n\nthe game , the <unk> @-@ game\n"
    assert tokenizer.detokenize(np.array([ids[:2]])) == ["= Valkyria"]
    assert tokenizer.tokenize([TEXT, "new game"]) == [ids, [1, 4]]
    assert tokenizer.token_to_id("\n") == tokenizer.end_token_id == 2
    assert tokenizer.unknown_words("the new <unk> game") == ["new"]


def test_pieces_join_to_the_text(tokenizer):
    for text in (TEXT, "the game  ", "a\n b", "", "  "):
        pieces = tokenizer.pieces(text)
        assert len(pieces) == len(tokenizer.encode([text])[0])
        assert "".join(pieces) == (text if pieces else "")


def test_most_frequent_words_and_bounds():
    tokenizer = train_spaced_word_tokenizer(["b a a", "c c c"], vocabulary_size=5)
    assert tokenizer.get_vocabulary()[3:] == ["c", "a"]
    for options in ({"texts": ["<eos> \n"]}, {"texts": ["a"], "vocabulary_size": 3}):
        with pytest.raises(ValueError, match="at least one word, and a vocabulary of 4"):
            train_spaced_word_tokenizer(**options)


@pytest.mark.parametrize("words", [["a", "a"], ["a b"], [""], ["<eos>"], [1], []])
def test_wrong_vocabularies(words):
    with pytest.raises(ValueError, match="Received"):
        SpacedWordTokenizer(words)


def test_assets(tokenizer, tmp_path):
    tokenizer.save_assets(tmp_path)
    copy = SpacedWordTokenizer.from_config(tokenizer.get_config())
    with pytest.raises(ValueError, match="has no vocabulary"):
        copy.encode([TEXT])
    copy.load_assets(tmp_path)
    assert copy.encode([TEXT]) == tokenizer.encode([TEXT])
    (tmp_path / "words.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match="must be a JSON list of strings.*it is no list"):
        copy.load_assets(tmp_path)
    with pytest.raises(ValueError, match="below the size of the vocabulary, 9. Received: id=9"):
        copy.id_to_token(9)
