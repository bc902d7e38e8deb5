"""Sentences with a pronoun: pairs, what is held out, and the words that are referred to."""

import pytest

import zoo.data
from zoo.data.pronoun_grammar import HELD_OUT, KOREAN, LANGUAGES
from zoo.tokenizers import WordTokenizer

pytestmark = pytest.mark.once

PRONOUNS = [language.pronoun for language in LANGUAGES.values()]


def load(**options):
    return zoo.data.load("generated_pronouns", **{"train": 1200, "dev": 200, "test": 200} | options)


def sentences(columns):
    """Each row as its words, the place of its pronoun, and the word that it refers to."""
    for tokens, tags in zip(columns["tokens"], columns["tags"], strict=True):
        (place,) = [i for i, tag in enumerate(tags) if tag != "O"]
        yield tokens, place, tokens[int(tags[place]) - 1]


def words(columns):
    return {word for tokens in columns["tokens"] for word in tokens}


def test_a_pair_differs_in_its_ending_and_in_what_the_pronoun_refers_to():
    for columns in load().splits.values():
        rows = list(sentences(columns))
        for (first, place, one), (second, other_place, other) in zip(
            rows[::2], rows[1::2], strict=True
        ):
            assert place == other_place and first[: place + 1] == second[: place + 1]
            assert first[place] in PRONOUNS and first != second and one != other
            assert one in first[:place] and other in first[:place]


def test_dev_has_new_pairs_of_known_words_and_test_has_new_words():
    splits = load(train=6000, held_out="nouns").splits
    train = words(splits["train"])
    assert words(splits["dev"]) <= train
    pairs = {
        split: {
            frozenset((one, other))
            for (_, _, one), (_, _, other) in zip(rows[::2], rows[1::2], strict=True)
        }
        for split, rows in ((split, list(sentences(it))) for split, it in splits.items())
    }
    assert not pairs["train"] & pairs["dev"]
    for _, _, referred in sentences(splits["test"]):
        assert referred not in train


@pytest.mark.parametrize("held_out", ["verbs", "endings"])
def test_each_sentence_of_test_has_a_verb_or_an_ending_that_train_lacks(held_out):
    splits = load(train=6000, held_out=held_out).splits
    train = {" ".join(tokens) for tokens in splits["train"]["tokens"]}
    of_frame = [getattr(frame, held_out) for it in LANGUAGES.values() for frame in it.frames]
    new = [it[-1] for it in of_frame]
    new = [one for it in new for one in (it if isinstance(it, tuple) else (it,))]
    for tokens in splits["test"]["tokens"]:
        assert any(f" {one} " in " ".join(tokens) for one in new)
    if held_out == "endings":
        assert not any(f" {one} ." in text or f" {one} 때" in text for one in new for text in train)


def test_the_jug_and_the_cup_are_known_and_not_together_in_train():
    frame = KOREAN[0]
    assert {"주전자", "컵"} <= set(frame.first[:-HELD_OUT]) and "따랐다" in frame.verbs[:-1]
    assert ("텅 빌", "가득 찰") in frame.endings[:-1]
    texts = {
        split: list(map(" ".join, it["tokens"])) for split, it in load(dev=3000).splits.items()
    }
    for one, other in (("주전자", " 컵"), ("jug", " cup")):
        both = {split: any(one in it and other in it for it in of) for split, of in texts.items()}
        assert both == {"train": False, "dev": True, "test": False}


def test_languages_and_particles():
    korean, english = load(language="ko"), load(language="en")
    assert korean.languages == ("ko",) and load().languages == ("ko", "en")
    assert not words(korean.splits["train"]) & words(english.splits["train"]) - {"."}
    found = words(korean.splits["train"])
    assert {"컵을", "주전자를", "물로", "망치로"} <= found and not {"컵를", "물으로"} & found


def test_raw_text_is_split_into_the_same_words():
    for language in ("ko", "en"):
        tokenizer = WordTokenizer(language=language)
        for tokens in load(language=language).splits["train"]["tokens"][:100]:
            text = " ".join(tokens).replace(" .", ".").replace(" ,", ",")
            assert tokenizer.split(text) == tokens


def test_options():
    one, same, other = (load(train=20, dev=2, test=0, seed=seed) for seed in (1, 1, 2))
    assert one.digest == same.digest != other.digest and list(one.splits) == ["train", "dev"]
    assert len(load(train=7).splits["train"]["tags"]) == 7
    for options, message in (
        ({"train": 0}, "train must be a whole number"),
        ({"held_out": "adverbs"}, "`held_out` must be one of"),
        ({"language": "de"}, "`language` must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            load(**options)
