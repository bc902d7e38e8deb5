"""Scores of captions: computed by hand, compared with COCO's tool, and of unusual input."""

import logging
import math
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import zoo
from zoo.metrics import caption_score_each, caption_scores, caption_signatures
from zoo.metrics.captioning import caption_words

pytestmark = pytest.mark.once

KEYS = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"]
REFERENCES = [
    ["A dog runs through the snow .", "The brown dog is running in snow ."],
    ["Two children play in the water .", "Kids splash at the beach .", "Two girls in the sea"],
    ["A man's T-shirt is red ."],
]
WRITTEN = [
    "A brown dog is running in the snow.",
    "Two children splash in the water at the beach.",
    "A man in a red t-shirt.",
]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man's T-shirt , half-off !", ["a", "man", "s", "t-shirt", "half-off"]),
        ("a man 's T-shirt,half-off!", ["a", "man", "s", "t-shirt", "half-off"]),
        ("“Don’t – stop”: 3 dogs", ["don", "t", "stop", "3", "dogs"]),
        ("- -a- --", ["a"]),
        ("एक आदमी। Ein Füßchen", ["एक", "आदमी", "ein", "füßchen"]),
        ("개가 눈 위를 달린다.", ["개가", "눈", "위를", "달린다"]),
        ("一只狗。นั่ง", ["一", "只", "狗", "นั่", "ง"]),
        ("T恤衫 a-b", ["t", "恤", "衫", "a-b"]),
        (" . ", []),
    ],
)
def test_words(text, words):
    assert caption_words(text) == words


def test_bleu_by_hand():
    # "the cat sat on a mat", 6 words, among references of 7 and 4: the closest has 7.
    references = [["The cat sat on the red mat.", "A mat, a cat"]]
    scores = caption_scores(references, ["the cat sat on a mat"])
    precisions = [6 / 6, 4 / 5, 2 / 4, 1 / 3]  # "a mat" is in the second
    brevity = math.exp(1 - 7 / 6)
    for order in range(1, 5):
        expected = 100 * brevity * math.prod(precisions[:order]) ** (1 / order)
        assert scores[f"bleu_{order}"] == pytest.approx(expected)


def test_bleu_is_of_the_corpus_and_not_smoothed():
    # No caption has four words in a row from a reference.
    scores = caption_scores([["a b c d e"], ["f g h i j"]], ["a b c x e", "f g x i j"])
    precisions = [8 / 10, 4 / 8, 1 / 6]
    for order in range(1, 4):
        expected = 100 * math.prod(precisions[:order]) ** (1 / order)
        assert scores[f"bleu_{order}"] == pytest.approx(expected)
    assert scores["bleu_4"] == 0


def test_rouge_takes_the_reference_with_the_greatest_f1():
    # Of 4 words, 3 are in order in the first (of 3: F1 6/7), and all 4 in the second (of 8: 2/3).
    references = [["a c d", "x a x b x c x d"], ["no match"]]
    scores = caption_scores(references, ["a b c d", "something else"])
    assert scores["rouge_l"] == pytest.approx(100 * (6 / 7 + 0) / 2)


def test_cider_by_hand():
    # Of 2 images, "a" is in references of both and has weight 0; all else has log 2.
    references = [["a dog", "dog"], ["a cat"]]
    written = ["a dog dog", "a cat"]
    clipped, half = 1 / 2, math.exp(-(2**2) / 72)  # (2, 1)·(1)/(2·1); two words more: sigma 6
    longer = math.exp(-(1**2) / 72)
    unigrams = [clipped * longer, clipped * half]
    # "a dog" and "dog dog" against "a dog": 1/√2. There are no longer n-grams.
    bigrams = [longer / math.sqrt(2), 0]
    first = 1000 * sum(unigrams + bigrams) / 4 / 2
    second = 1000 * 2 / 4
    assert caption_score_each(references, written) == pytest.approx([first, second])
    assert caption_scores(references, written)["cider_d"] == pytest.approx((first + second) / 2)


def test_scores_equal_those_of_cocos_tool():
    # The values of pycocoevalcap 1.2 for the same words, times 100. It adds 1e-9 to counts in BLEU.
    scores = caption_scores(REFERENCES, WRITTEN)
    assert list(scores) == KEYS
    assert all(type(score) is float for score in scores.values())
    expected = {
        "bleu_1": 86.95652173534971,
        "bleu_2": 69.15640747758015,
        "bleu_3": 52.0070209473917,
        "bleu_4": 37.6506061975229,
        "cider_d": 283.5232313550033,
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_spaces_case_and_punctuation_do_not_count():
    spaced = [text.lower().replace(".", " .").replace("'", " '") for text in WRITTEN]
    assert caption_scores(REFERENCES, spaced) == caption_scores(REFERENCES, WRITTEN)


def test_identical_captions():
    references = [["a dog runs through snow"], ["two children play with water"]]
    scores = caption_scores(references, [captions[0] for captions in references])
    assert scores == pytest.approx(dict.fromkeys(KEYS, 100) | {"cider_d": 1000})


def test_cider_of_one_image_is_0():
    # Every n-gram is in all images, so its weight is 0. The other scores have their values.
    scores = caption_scores([["a dog runs through snow"]], ["a dog runs through snow"])
    assert scores == pytest.approx(dict.fromkeys(KEYS, 100) | {"cider_d": 0})


@pytest.mark.parametrize("empty", ["", " ", "."])
def test_empty_captions_score_0(empty):
    assert caption_scores([["a dog"], ["a cat"]], [empty, empty]) == dict.fromkeys(KEYS, 0)
    scores = caption_scores(REFERENCES, [empty, *WRITTEN[1:]])
    whole = caption_scores(REFERENCES, WRITTEN)
    assert all(scores[name] < whole[name] for name in KEYS) and scores["bleu_1"] > 0
    assert caption_score_each(REFERENCES, [empty, *WRITTEN[1:]])[0] == 0


def test_a_reference_without_words():
    scores = caption_scores([["a dog", "."], ["a cat"]], ["a dog", "a cat"])
    assert scores["bleu_2"] == pytest.approx(100)
    # Half of the value without the second reference, which has no n-gram in common.
    assert scores["cider_d"] == pytest.approx((250 + 500) / 2)


def test_caption_score_each_ranks_captions():
    each = caption_score_each(REFERENCES, WRITTEN)
    assert sum(each) / 3 == pytest.approx(caption_scores(REFERENCES, WRITTEN)["cider_d"])
    swapped = caption_score_each(REFERENCES, [WRITTEN[1], WRITTEN[0], WRITTEN[2]])
    assert swapped[0] < each[0] and swapped[1] < each[1] and swapped[2] == each[2]


def test_signatures():
    bleu = f"case:lc|eff:no|tok:none|smooth:none|version:{version('sacrebleu')}|input:lc.words"
    assert caption_signatures(REFERENCES) == {
        "bleu": f"nrefs:var|{bleu}",
        "rouge_l": f"nrefs:var|f:1|refs:best|rouge-score:{version('rouge-score')}|input:lc.words",
        "cider_d": "nrefs:var|n:4|sigma:6|idf:references|max:1000|input:lc.words",
    }
    assert caption_signatures([["a", "b"], ["c", "d"]])["bleu"] == f"nrefs:2|{bleu}"


def test_no_warning_about_tokenised_texts(caplog):
    with caplog.at_level(logging.INFO):
        caption_scores([["a dog ."]] * 120, ["a dog ."] * 120)
    assert caplog.records == []


def test_unequal_counts_and_empty_splits_are_refused():
    with pytest.raises(ValueError, match="references of 3 images, 1 captions"):
        caption_scores(REFERENCES, ["a"])
    with pytest.raises(ValueError, match="no examples"):
        caption_scores([], [])
    for scores in (caption_scores, caption_score_each):
        with pytest.raises(ValueError, match=re.escape("Received: references[1]=[]")):
            scores([["a"], []], ["a", "b"])
    with pytest.raises(ValueError, match="needs a reference"):
        caption_signatures([[]])


@pytest.mark.parametrize(
    ("references", "written", "message"),
    [
        (["a dog"], ["a"], r"list of references.*references\[0\]='a dog'"),
        ([["a", 1]], ["a"], r"must be strings. Received: 1 in references\[0\]"),
        ([["a"]], [None], r"must be strings. Received: hypotheses\[0\]=None"),
        ([["a"]], "a", "not a string. Received: hypotheses='a'"),
    ],
)
def test_wrong_types_are_refused(references, written, message):
    with pytest.raises(TypeError, match=message):
        caption_scores(references, written)


def test_importing_imports_nothing_heavy():
    script = (
        "import sys, zoo.metrics.captioning\n"
        "assert not {'sacrebleu', 'rouge_score', 'nltk', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(zoo.__file__).parents[1], check=True)
