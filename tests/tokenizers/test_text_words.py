"""Word tokenizer of texts."""

import pytest

from zoo.tokenizers import TextWordTokenizer, train_text_word_tokenizer

pytestmark = pytest.mark.once

TEXTS = ["It isn't good.", "It is n't bad, it's fine", "Is it?"]


def test_negation_and_punctuation_are_words():
    tokenizer = train_text_word_tokenizer(TEXTS, 100, lowercase=True, language="en")
    assert tokenizer.get_vocabulary()[:3] == ["it", "is", "n't"]  # 4, 3 and 2 times
    assert tokenizer.split(TEXTS[0]) == ["It", "is", "n't", "good", "."]
    assert tokenizer.encode(["IT isn't xyz"]) == [[2, 3, 4, 1]]
    assert tokenizer.tokenize("it is") == [2, 3] == tokenizer.tokenize(["it is"])[0]
    assert tokenizer.token_to_id("Is") == 3 and tokenizer.id_to_token(3) == "is"
    assert train_text_word_tokenizer(TEXTS, 4, lowercase=True).vocabulary_size() == 4
    with pytest.raises(ValueError, match="at least one word"):
        train_text_word_tokenizer(["", " "], 10)
    with pytest.raises(ValueError, match="vocabulary_size` must be an integer of at least 3"):
        train_text_word_tokenizer(TEXTS, 2)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("It isn't  good. ", ["It", " is", "n't", "  good", ". "]),
        ("so\u00adft\u200b cafe\u0301", ["so\u00adft\u200b", " café"]),
        ("good\u200b film\ufeff bad\u200b", ["good\u200b", " film\ufeff", " bad\u200b"]),
        ("", []),
        (" \n", []),
    ],
)
def test_pieces_join_to_the_text(text, pieces):
    tokenizer = TextWordTokenizer(["is", "n't"], language="en")
    assert tokenizer.pieces(text) == pieces
    assert len(tokenizer.encode([text])[0]) == len(pieces)


def test_assets_and_config_restore_the_tokenizer(tmp_path):
    tokenizer = train_text_word_tokenizer(TEXTS, 100, language="en")
    tokenizer.save_assets(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["words.txt"]
    again = TextWordTokenizer.from_config(tokenizer.get_config())
    again.load_assets(tmp_path)
    assert again.encode(TEXTS) == tokenizer.encode(TEXTS) and again.language == "en"
