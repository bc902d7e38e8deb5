"""Scores of translations: compared with sacreBLEU, and computed by hand."""

import logging
import math
import re
import subprocess
import sys
import unicodedata
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import sacrebleu

import zoo
from zoo.metrics import bleu_by_length, signatures, translation_scores

pytestmark = pytest.mark.once

REFERENCES = [
    "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt.",
    "Ein Boston Terrier läuft über saftig-grünes Gras vor einem weißen Zaun.",
    "Fünf Leute in Winterjacken und mit Helmen stehen im Schnee.",
]
HYPOTHESES = [
    "Ein Mann mit einem orangen Hut starrt etwas an.",
    "Ein Boston Terrier läuft über grünes Gras vor einem weißen Zaun.",
    "Fünf Leute in Winterjacken und mit Helmen stehen im Schnee.",
]


def test_scores_equal_those_of_sacrebleu():
    scores = translation_scores(REFERENCES, HYPOTHESES, "de")
    assert list(scores) == ["bleu", "chrf", "bleu_lc_tok", "exact"]
    assert scores["bleu"] == sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score
    assert scores["chrf"] == sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score
    assert scores["exact"] == 1 / 3
    assert all(type(score) is float for score in scores.values())


def test_several_references():
    others = [HYPOTHESES[0], REFERENCES[1].replace("saftig-grünes", "grünes"), REFERENCES[2]]
    both = [list(pair) for pair in zip(REFERENCES, others, strict=True)]
    scores = translation_scores(both, HYPOTHESES, "de")
    assert scores["bleu"] == sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES, others]).score
    assert scores["chrf"] == sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES, others]).score
    assert scores["exact"] == 1 and scores["bleu"] == pytest.approx(100)
    # Not all need as many.
    some = translation_scores([both[0], *REFERENCES[1:]], HYPOTHESES, "de")
    once = translation_scores(REFERENCES, HYPOTHESES, "de")
    assert once["bleu"] < some["bleu"] < scores["bleu"] and some["exact"] == 2 / 3
    with pytest.raises(ValueError, match=r"needs a reference. Received: references\[0\]=\[\]"):
        translation_scores([[]], ["a"])


def test_bleu_by_hand():
    # "the cat sat on a mat": of 6, 5, 4, 3 n-grams 5, 3, 2, 1 are right, and one word is missing.
    scores = translation_scores(["the cat sat on the red mat"], ["the cat sat on a mat"])
    precisions = [5 / 6, 3 / 5, 2 / 4, 1 / 3]
    expected = 100 * math.exp(1 - 7 / 6) * math.prod(precisions) ** 0.25
    assert scores["bleu"] == pytest.approx(expected)
    assert scores["bleu_lc_tok"] == pytest.approx(expected)
    assert scores["exact"] == 0


@pytest.mark.parametrize(
    ("language", "text", "tokens"),
    [
        (
            "de",
            "Er sagt: „So geht’s“ am 2. Mai.",
            "er sagt : &quot; so geht &apos; s &quot; am 2. mai .",
        ),
        ("en", "The man’s 3.5 T-shirts, etc.", "the man &apos;s 3.5 t-shirts , etc ."),
        ("fr", "L’homme (à gauche)…", "l&apos; homme ( à gauche ) ..."),
        (None, "It's Tom's.", "it &apos;s tom &apos;s ."),
    ],
)
def test_lower_cased_tokens_equal_those_of_moses(language, text, tokens):
    # Some words are missing, so that the score depends on the number of tokens.
    rest = "eins zwei drei "
    score = translation_scores([rest + text], [text], language)["bleu_lc_tok"]
    expected = sacrebleu.corpus_bleu([tokens], [[rest + tokens]], tokenize="none", force=True)
    assert score == expected.score
    assert 0 < score < 100


def test_case_and_punctuation_do_not_count_in_lower_cased_tokens():
    scores = translation_scores(["Er sagt: „Nein“ zu Tom."], ['er sagt: "nein" zu tom.'], "de")
    assert scores["bleu_lc_tok"] == pytest.approx(100)
    assert scores["bleu"] < 50 and scores["exact"] == 0


def test_korean_is_scored_by_characters(caplog):
    references, hypotheses = ["톰은 학교에 갔다."], ["톰은 학교에 갔어."]
    with caplog.at_level(logging.WARNING):
        scores = translation_scores(references, hypotheses, "ko")
    assert caplog.records == []
    assert scores["bleu"] == sacrebleu.corpus_bleu(hypotheses, [references], tokenize="char").score
    assert scores["bleu"] > sacrebleu.corpus_bleu(hypotheses, [references]).score
    assert "|tok:char|" in signatures("ko")["bleu"]


@pytest.mark.parametrize(("language", "tokenizer"), [("zh", "zh"), ("ja", "char"), ("xx", "13a")])
def test_tokenizers(language, tokenizer):
    texts = ["Tom 我爱你"]
    assert translation_scores(texts, texts, language)["exact"] == 1
    assert f"|tok:{tokenizer}|" in signatures(language)["bleu"]


PERFECT = {
    "th": ["ผมชอบกินข้าวกับเพื่อนที่บ้าน", "วันนี้อากาศดีมาก"],
    "ja": ["私は友達と家でご飯を食べるのが好きです。"],
    "zh": ["我喜欢和朋友在家吃饭。", "今天天气很好。"],
    "zh-TW": ["我喜歡和朋友在家吃飯。"],
    "km": ["ខ្ញុំចូលចិត្តញ៉ាំបាយ"],
    "ko": ["나는 친구와 집에서 밥을 먹는다."],
}


@pytest.mark.parametrize("language", PERFECT)
def test_perfect_translations_score_100_in_every_script(language):
    texts = PERFECT[language]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = translation_scores(texts, texts, language)
    assert scores["bleu"] == pytest.approx(100) and scores["exact"] == 1
    assert scores["bleu_lc_tok"] == pytest.approx(100)
    almost = translation_scores(texts, [text[:-1] for text in texts], language)
    assert 50 < almost["bleu"] < 100
    if language != "ko":
        assert "|input:lc.norm." in signatures(language)["bleu_lc_tok"]


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "it doesn't matter, the man's dog isn't here"), ("fr", "l'homme qu'il n'aime pas")],
)
def test_the_region_of_a_language_changes_nothing(language, text):
    codes = [language, language.upper(), f"{language}-CA", f"{language}_CA"]
    scores = [translation_scores([text], [f"{text} now"], code)["bleu_lc_tok"] for code in codes]
    assert scores == [scores[0]] * 4
    assert len({signatures(code)["bleu_lc_tok"] for code in codes}) == 1


@pytest.mark.parametrize("language", [None, "en"])
def test_words_without_spaces_in_an_unknown_language_are_warned_of(language):
    with pytest.warns(UserWarning, match="name the target language.*or compare by chrf"):
        scores = translation_scores(PERFECT["th"], PERFECT["th"], language)
    assert scores["chrf"] == pytest.approx(100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        translation_scores(["He said 你好 to me."], ["He said 你好 to me."], language)


def test_decomposed_text_is_the_same_text():
    decomposed = [unicodedata.normalize("NFD", text) for text in PERFECT["ko"]]
    assert translation_scores(decomposed, PERFECT["ko"], "ko")["exact"] == 1


def test_empty_hypotheses_score_0():
    assert translation_scores(["a b c d"], [""]) == {
        "bleu": 0.0,
        "chrf": 0.0,
        "bleu_lc_tok": 0.0,
        "exact": 0.0,
    }
    scores = translation_scores(REFERENCES, [*HYPOTHESES[:2], ""], "de")
    assert 0 < scores["bleu"] < translation_scores(REFERENCES, HYPOTHESES, "de")["bleu"]


def test_both_empty_are_exact():
    assert translation_scores([""], [""])["exact"] == 1.0


def test_no_warning_about_tokenised_texts(caplog):
    texts = ["Ein Satz."] * 120
    with caplog.at_level(logging.WARNING):
        translation_scores(texts, texts, "de")
    assert caplog.records == []


def test_signatures():
    ours, theirs = version("sacrebleu"), version("sacremoses")
    assert signatures("de") == {
        "bleu": f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{ours}",
        "chrf": f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:{ours}",
        "bleu_lc_tok": f"nrefs:1|case:lc|eff:no|tok:none|smooth:exp|version:{ours}"
        f"|input:lc.norm.tok.de|sacremoses:{theirs}",
    }
    assert "|input:lc.norm.tok.en|" in signatures()["bleu_lc_tok"]


def test_bleu_by_length():
    rows = bleu_by_length(REFERENCES, HYPOTHESES, np.array([10, 11, 31]), (10, 20, 30), "de")
    assert rows == [
        ("up to 10", 1, sacrebleu.corpus_bleu(HYPOTHESES[:1], [REFERENCES[:1]]).score),
        ("11 to 20", 1, sacrebleu.corpus_bleu(HYPOTHESES[1:2], [REFERENCES[1:2]]).score),
        ("over 30", 1, pytest.approx(100)),
    ]


def test_buckets_hold_every_length():
    rows = bleu_by_length(["a"] * 5, ["a"] * 5, [0, 1, 2, 3, 100], edges=[1, 2])
    assert [row[:2] for row in rows] == [("up to 1", 2), ("2", 1), ("over 2", 2)]


def test_unequal_counts_and_empty_splits_are_refused():
    with pytest.raises(ValueError, match="needs one reference.* 2 references, 1 hypotheses"):
        translation_scores(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="no examples"):
        translation_scores([], [])
    with pytest.raises(ValueError, match="length of its source.* 1 references, 2 lengths"):
        bleu_by_length(["a"], ["a"], [1, 2])
    for edges in ([], [20, 10], [10, 10]):
        with pytest.raises(ValueError, match=re.escape(f"Received: edges={edges}")):
            bleu_by_length(["a"], ["a"], [1], edges)


def test_wrong_types_are_refused():
    with pytest.raises(TypeError, match=r"must be strings. Received: hypotheses\[1\]=None"):
        translation_scores(["a", "b"], ["a", None])
    with pytest.raises(TypeError, match=r"must be strings. Received: references\[0\]=1"):
        translation_scores([[1]], ["a"])
    with pytest.raises(TypeError, match="not a string. Received: hypotheses='ab'"):
        translation_scores(["a", "b"], "ab")


def test_importing_imports_nothing_heavy():
    script = (
        "import sys, zoo.metrics\n"
        "assert not {'sacrebleu', 'sacremoses', 'sklearn', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(zoo.__file__).parents[1], check=True)
