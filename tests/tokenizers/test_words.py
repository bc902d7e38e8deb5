"""Word tokenizer: ids of words and characters, splitting, and assets."""

import keras
import pytest

from zoo.tokenizers import WordTokenizer, train_word_tokenizer
from zoo.tokenizers.words import spell

pytestmark = pytest.mark.once
SENTENCES = [["The", "cat", "sat"], ["the", "dog", "sat", "."], ["한국", "사람"]]


def test_frequent_words_come_first_and_unknown_words_have_id_1():
    tokenizer = train_word_tokenizer(SENTENCES)
    assert tokenizer.get_vocabulary()[0] == "sat" and tokenizer.vocabulary_size() == 8 + 2
    assert tokenizer.encode(["sat", "bird", "sat"]) == [2, 1, 2]
    assert tokenizer.encode(["The"]) != tokenizer.encode(["the"])
    assert tokenizer.encode([]) == []
    assert tokenizer.id_to_token(2) == "sat" and tokenizer.token_to_id("bird") == 1


def test_rare_words_are_unknown_but_their_characters_are_not():
    tokenizer = train_word_tokenizer(SENTENCES, min_count=2)
    assert tokenizer.get_vocabulary() == ["sat"]
    assert train_word_tokenizer(SENTENCES, 2, lowercase=True).get_vocabulary() == ["sat", "the"]
    caron = train_word_tokenizer([["J\u030c", "\u01f0"]], lowercase=True)  # two spellings of ǰ
    assert caron.get_vocabulary() == ["\u01f0"]
    assert caron.encode(["J\u030c"]) == caron.encode(["\u01f0"]) != [caron.unk_token_id]
    (cat,) = tokenizer.encode_characters(["cat"])
    assert len(set(cat)) == 3 and 1 not in cat
    assert tokenizer.encode_characters(["q"]) == [[1]]


def test_jamo_and_composed_forms():
    assert spell("한국") == "한국" and len(spell("한국", jamo=True)) == 6
    assert spell("cafe\u0301") == "café" and spell("é", jamo=True) == "é"
    tokenizer = train_word_tokenizer(SENTENCES, jamo=True)
    decomposed = "\u1112\u1161\u11ab\u1100\u116e\u11a8"  # 한국
    assert tokenizer.encode([decomposed]) == tokenizer.encode(["한국"]) != [1]
    (spelled,) = tokenizer.encode_characters(["한국"])
    assert len(spelled) == 6 and 1 not in spelled


def test_characters_are_a_unit_of_their_own():
    tokenizer = train_word_tokenizer([list("경찰 은")], unit="characters")
    assert tokenizer.split(" 경찰\u200b\n\t은\ufeff!\u00a0") == list("경찰 은!")
    assert tokenizer.split("e\u0301") == ["é"] and tokenizer.split(" ") == []
    assert sorted(tokenizer.tokenize("은 찰경")) == [2, 3, 4, 5] and tokenizer.tokenize("가") == [1]
    again = WordTokenizer.from_config(tokenizer.get_config())
    assert again.unit == "characters"
    with pytest.raises(ValueError, match="`unit` must be one of .*Received: unit='bytes'"):
        WordTokenizer(["a"], unit="bytes")


def test_a_long_word_keeps_both_ends():
    tokenizer = train_word_tokenizer([["abc"]])
    (ids,) = tokenizer.encode_characters(["a" * 100 + "b" * 100], length=5)
    a, b = tokenizer.encode_characters(["ab"])[0]
    assert ids == [a, a, a, b, b]
    assert tokenizer.encode_characters(["ab"], length=1) == [[a]]


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", "I don't know.", ["I", "do", "n't", "know", "."]),
        ("en", "It's Mary's, isn’t it?", ["It", "'s", "Mary", "'s", ",", "is", "n’t", "it", "?"]),
        ("en", "a well-known 3.5 (sic)", ["a", "well-known", "3.5", "(", "sic", ")"]),
        ("en", "can't", ["ca", "n't"]),
        (
            "en",
            "Yes,no: 1,000 wait--what...",
            ["Yes", ",", "no", ":", "1,000", "wait", "--", "what", "..."],
        ),
        (None, "हिन्दी।", ["हिन्दी", "।"]),
        ("ko", "나는 학교에 간다.", ["나는", "학교에", "간다", "."]),
        (None, "  ", []),
        ("en", "I ❤️ it", ["I", "❤️", "it"]),
        ("ko", "🇰🇷🇺🇸 👍🏽👨‍👩‍👧 1️⃣!", ["🇰🇷", "🇺🇸", "👍🏽", "👨‍👩‍👧", "1️⃣", "!"]),
        ("ko", "\ufeff안녕\u3164하세요\u200b반갑\u00ad습니다", ["안녕", "하세요", "반갑습니다"]),
        ("en", "co\u00adop\u200d \u200d \u200e a\ufe0f", ["coop", "a\ufe0f"]),
        (None, "می\u200cخواهم", ["می\u200cخواهم"]),
        ("ko", "\u110c\u1162\u1106\u1175", ["재미"]),
    ],
)
def test_raw_text_is_split_by_the_rule_of_its_language(language, text, words):
    tokenizer = train_word_tokenizer(SENTENCES, language=language)
    assert tokenizer.split(text) == words
    assert tokenizer.tokenize([text]) == [tokenizer.encode(words)]


def test_decomposed_vocabulary_is_composed():
    tokenizer = WordTokenizer(["\u110c\u1162\u1106\u1175"], ["e\u0301"])
    assert tokenizer.get_vocabulary() == ["재미"] and tokenizer.encode(["재미"]) == [2]
    assert tokenizer.characters == ("é",)


def test_assets_restore_the_vocabulary(tmp_path):
    tokenizer = train_word_tokenizer([["a\u2028b", "c\x85d", "한국"]], jamo=True, language="ko")
    tokenizer.save_assets(tmp_path)
    again = keras.layers.deserialize(keras.layers.serialize(tokenizer))
    with pytest.raises(ValueError, match="has no vocabulary"):
        again.encode(["a"])
    again.load_assets(tmp_path)
    assert (again.words, again.characters) == (tokenizer.words, tokenizer.characters)
    assert again.get_config() == tokenizer.get_config()


@pytest.mark.parametrize(
    ("words", "message"),
    [(["a", "a"], "'a' twice"), ([""], "not empty"), (["a\nb"], "line breaks")],
)
def test_wrong_vocabularies_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        WordTokenizer(words, ["a"])
    with pytest.raises(ValueError, match="at least one word"):
        train_word_tokenizer([[]])
