"""Published presets: complete, as their cards say, with the expected answers."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import zoo
import zoo.data
from tests.variants import variants
from zoo import presets
from zoo.presets.builtin import PRETRAINED

MEADOW = np.full((40, 60, 3), (90, 160, 60), "uint8")
SEVEN = (Path(__file__).parent / "7_theo_0.wav").read_bytes()  # of FSDD, CC BY-SA 4.0
ANSWERS = {
    "bilstm_bahdanau_nsmc_ko": ("정말 재미있어요", "positive"),
    "bilstm_bahdanau_sst2_en": ("A gripping film.", "positive"),
    "bilstm_bahdanau_imdb_en": ("A waste of time.", "negative"),
    "gru_bahdanau_multi30k_en_de": ("A man is sleeping.", "Ein Mann schläft."),
    "gru_copy_sae4k_ko": ("침실에 불 꺼 줄래", "침실 불 끄기"),
    "transformer_chatbot_ko": ("오늘 너무 피곤해", "푹 쉬세요."),
    "gru_none_multi30k_en_de": ("A man is sleeping.", "Ein Mann schläft."),
    "lstm_bahdanau_cmudict_g2p_en": ("transformer", "T R AE0 N S F AO1 R M ER0"),
    "transformer_multi30k_en_de": ("A man is sleeping.", "Ein Mann schläft."),
    "transformer_multi30k_de_en": ("Ein Mann schläft.", "A man is sleeping."),
    "transformer_multi30k_en_fr": ("A man is sleeping.", "Un homme dort."),
    "bilstm_crf_ewt_en_upos": ("The cat sat.", ["DET", "NOUN", "VERB", "PUNCT"]),
    "bilstm_crf_kaist_ko_upos": ("나는 간다 .", ["PRON", "VERB", "PUNCT"]),
    "bilstm_attention_snips_en": ("play some jazz", ["O", "O", "B-genre"]),
    "bilstm_crf_klue_ner_ko": ("서울에서", ["B-LC", "I-LC", "O", "O"]),
    "bilstm_crf_wnut17_en": ("I live in Seoul", ["O", "O", "O", "B-location"]),
    "transformer_pronouns_ko_en": ("컵에 물을 따랐다 .", ["O"] * 4),
    "bilstm_ctc_fsdd_digits_en": (SEVEN, "seven"),
    "gru_attention_fsdd_digits_en": (SEVEN, "seven"),
    "cnn_lstm_bahdanau_flickr8k_en": (MEADOW, "a man is standing in the grass"),
}
# A prefix, and how a language model goes on most probably.
CONTINUATIONS = {
    "lstm_nsmc_ko": ("정말", " 슬프고 아름다운 영화"),
    "lstm_shakespeare_char": ("ROMEO:", "\nI will not "),
    "lstm_wikitext2_en": (
        "The film was released",
        " in the United States on September 25 , 2011 . The film",
    ),
}
NAMES = sorted(path.parent.name for path in PRETRAINED.glob("*/card.json"))


@pytest.mark.once
def test_total_size_is_limited():
    files = [path for path in PRETRAINED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 60_000_000


@variants(NAMES, everywhere=("bilstm_attention_snips_en", "bilstm_bahdanau_sst2_en"))
def test_preset_matches_its_card(variant):
    card = presets.read_card(PRETRAINED / variant)
    assert zoo.load(variant).count_params() == card.parameters
    assert {metric.partition("/")[0] for metric in card.metrics} == {"dev", "test"}


@pytest.mark.once
def test_sentiment_cards_have_the_behaviour():
    for card in zoo.list_models("text_classifier"):
        kinds = Counter(zoo.data.load(card.behaviour["dataset"]).splits["test"]["kind"])
        assert {kind: it["n"] for kind, it in card.behaviour["kinds"].items()} == kinds
        assert "## Behaviour" in (PRETRAINED / card.name / "README.md").read_text("utf-8")


@pytest.mark.once
@pytest.mark.parametrize("name", CONTINUATIONS)
def test_continuation_and_its_surprisal(name):
    prefix, expected = CONTINUATIONS[name]
    model = zoo.load(name)
    (answer,) = model.infer([prefix], temperature=0, max_length=12)
    assert answer.text == expected
    assert model.explain(prefix + expected).text == prefix + expected


@pytest.mark.once
def test_attention_of_a_pronoun_moves_when_one_word_changes():
    model = zoo.load("transformer_pronouns_ko_en")
    for text, pronoun, pairs in (
        (
            "그녀는 주전자의 물을 컵에 따랐다. 그것이 {} 때까지.",
            "그것이",
            {"가득 찰": "컵에", "텅 빌": "주전자의"},
        ),
        (
            "She poured the water from the jug into the cup until it was {}.",
            "it",
            {"full": "cup", "empty": "jug"},
        ),
    ):
        for ending, thing in pairs.items():
            explained = model.explain(text.format(ending), method="attention")
            weights = explained.weights[explained.source.index(pronoun)]
            assert weights[explained.source.index(thing)] > 0.9


@pytest.mark.once
@pytest.mark.parametrize("name", [name for name in NAMES if name not in CONTINUATIONS])
def test_answer_and_its_explanation(name):
    given, expected = ANSWERS[name]
    model = zoo.load(name)
    (answer,) = model.infer([given])
    found = next(getattr(answer, it) for it in ("label", "text", "tags") if hasattr(answer, it))
    assert found == expected
    if given is SEVEN:
        explained = model.explain(given)
        assert explained.text == expected and explained.words[0][0] == expected
        assert explained.spans is not None or explained.weights is not None
        return
    # Of that answer, also without attention. Covering each cell of an image takes 49 CNNs.
    explained = model.explain(given, method="gradient" if given is MEADOW else None)
    names = ("prediction", "caption", "translation")
    shown = next(getattr(explained, it) for it in names if hasattr(explained, it))
    assert shown == (expected if isinstance(expected, str) else " ".join(expected))
    assert np.any(explained.effects)
