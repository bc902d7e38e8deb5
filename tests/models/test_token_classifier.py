"""Contracts of the tagger with each encoder, character encoder and head."""

import functools
import json
import unicodedata
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest

import zoo
from tests.models.copies import assert_copy
from tests.variants import variants
from tests.weights import assign_normal, without_seeds
from zoo import presets
from zoo.choices import ENCODERS, TAGGER_ATTENTIONS
from zoo.layers.crf.inference import IMPOSSIBLE
from zoo.models import (
    CausalLMBackbone,
    TokenClassifier,
    TokenClassifierBackbone,
    TokenClassifierPreprocessor,
)
from zoo.models.token_classifier import ContextualTokenClassifierPreprocessor
from zoo.tokenizers import train_word_tokenizer
from zoo.training.losses import SentenceCrossentropy

SENTENCES = [["the", "cat", "sat"], ["나는", "간다", "."], ["a" * 200], ["the", "dog"] * 4]
TAGS = ("B-X", "I-X", "O", "B-Y", "I-Y")
INTENTS = ("go", "stay")
EXPECTED = Path(__file__).parents[1] / "contracts" / "token_classifier_answers.json"

VARIANTS = {f"encoder {name}": {"encoder": name} for name in ENCODERS}
VARIANTS |= {
    f"attention {name}": {"attention": name} for name in TAGGER_ATTENTIONS if name != "none"
}
VARIANTS |= {
    "lstm characters": {"characters": "lstm"},
    "words alone": {"characters": "none"},
    "language models": {"language_models": 2},
    "softmax": {"head": "softmax"},
    "no scheme, no intents": {"scheme": None, "intents": (), "bidirectional": False},
}
# An encoder, an attention, and each part of a kind that other models lack.
recorded_everywhere = variants(
    VARIANTS,
    everywhere=(
        "encoder lstm",
        "encoder transformer",
        "attention bahdanau",
        "lstm characters",
        "language models",
        "softmax",
    ),
)
most_on_one_backend = variants(
    VARIANTS, everywhere=("encoder lstm", "encoder transformer", "softmax")
)
TASK = ("head", "scheme", "intents")


def make(variant):
    """A model with the same weights on every backend."""
    options = {"head": "crf", "scheme": "bio", "intents": INTENTS, **VARIANTS[variant]}
    length = 0 if options.get("characters") == "none" else 6
    tokenizer = train_word_tokenizer(SENTENCES, jamo=True)
    preprocessor = TokenClassifierPreprocessor(tokenizer, length)
    if count := options.pop("language_models", 0):
        characters = "".join(sorted({*" .atehcswdo나는"}))
        preprocessor = ContextualTokenClassifierPreprocessor(
            tokenizer, characters, num_models=count, character_length=length
        )
        options["language_models"] = [
            CausalLMBackbone(4 + len(characters), embedding_dim=3, units=4 + i, name=f"lm_{i}")
            for i in range(count)
        ]
    backbone = TokenClassifierBackbone(
        tokenizer.vocabulary_size(),
        tokenizer.character_vocabulary_size(),
        word_dim=5,
        character_dim=4,
        character_units=6,
        units=8,
        num_heads=2,
        **{name: value for name, value in options.items() if name not in TASK},
    )
    model = TokenClassifier(backbone, preprocessor, TAGS, **{name: options[name] for name in TASK})
    paths = {id(it): it.path.rpartition("language_model/")[2] for it in model.weights}
    weights = sorted(without_seeds(model.weights), key=lambda it: paths[id(it)])  # a fixed order
    assign_normal([w for w in weights if w.trainable or "crf" not in w.path], scale=1.5)
    return model


@pytest.fixture(scope="module")
def models():
    """A cache of the variants, each built and compiled once."""
    return functools.cache(make)


def known_answers(model):
    """Potentials of the first two words, and logits of the intents."""
    encoded = model.preprocessor.encode(SENTENCES)
    batch = model.preprocessor.collate(encoded, max(map(model.preprocessor.length, encoded)))
    found = keras.Model.predict_on_batch(model, batch)
    parts = [np.asarray(found["tags"], "float32")[:2, :2]]
    if model.intents:
        parts.append(np.asarray(found["intent"], "float32"))
    return np.concatenate([part.ravel() for part in parts])


@recorded_everywhere
def test_outputs_equal_the_recorded_ones_on_every_backend(models, variant):
    expected = json.loads(EXPECTED.read_text())[variant]
    np.testing.assert_allclose(known_answers(models(variant)), expected, atol=1e-5)


@most_on_one_backend
@pytest.mark.once
def test_tags_do_not_depend_on_the_batch(models, variant):
    model = models(variant)
    together = model.infer([*SENTENCES, [], ["cat"] * 40], batch_size=3)
    assert [len(answer.tags) for answer in together] == [3, 3, 1, 8, 0, 40]
    for sentence, answer in zip(SENTENCES, together, strict=False):
        (alone,) = model.infer([sentence])
        assert (alone.tokens, alone.tags, alone.intent) == (sentence, answer.tags, answer.intent)
        np.testing.assert_allclose(alone.confidences, answer.confidences, atol=1e-4)
        assert all(0 < confidence <= 1 + 1e-5 for confidence in alone.confidences)
    assert model.infer([]) == []


@pytest.mark.parametrize("variant", ["encoder lstm", "softmax"])
def test_predicted_tags_are_well_formed(models, variant):
    model = models(variant)
    random = np.random.default_rng(0)
    words = [word for sentence in SENTENCES for word in sentence]
    for answer in model.infer([list(random.choice(words, 12)) for _ in range(30)]):
        before = "O"
        for tag in answer.tags:
            assert not tag.startswith("I-") or before[1:] == tag[1:]
            before = tag
        marked = [tag for span in answer.spans for tag in answer.tags[span.start : span.end]]
        assert marked == [tag for tag in answer.tags if tag != "O"]


def test_tags_that_are_independent_are_those_of_a_crf_without_transitions():
    words = np.random.default_rng(2).normal(size=(2, 4, 3)).astype("float32")
    words[1, 2:] = IMPOSSIBLE  # padding
    backbone = TokenClassifierBackbone(5, 0, word_dim=2, characters="none", units=2)
    model = TokenClassifier(backbone, tags=("A", "B", "C"), head="softmax")
    best, marginals = map(keras.ops.convert_to_numpy, model.decode_potentials(words))
    assert best.dtype == "int32"
    np.testing.assert_array_equal(best, model.crf.decode(words))
    np.testing.assert_allclose(marginals, model.crf.marginals(words), atol=1e-6)


def test_n_best_hypotheses_are_distinct_and_sorted(models):
    answers = models("encoder lstm").infer([*SENTENCES, []], n_best=3)
    for answer in answers[:4]:
        probabilities = [probability for _, probability in answer.hypotheses]
        assert answer.hypotheses[0][0] == answer.tags
        assert probabilities == sorted(probabilities, reverse=True)
        assert len({tuple(tags) for tags, _ in answer.hypotheses}) == len(answer.hypotheses) <= 3
    # A single word has three well-formed tags, whose probabilities sum to one.
    assert sum(p for _, p in answers[2].hypotheses) == pytest.approx(1, abs=1e-4)
    (long,) = models("encoder lstm").infer([["cat"] * 100], n_best=2)
    assert len(long.hypotheses) == 2  # although each has a probability near zero
    assert "hypotheses" not in models("encoder lstm").infer([["cat"]])[0].to_dict()


def test_texts_are_split_and_lists_of_words_are_not(models):
    model = models("encoder lstm")
    split, given = model.infer(["the cat, sat", ["the", "cat,", "sat"]])
    assert split.tokens == ["the", "cat", ",", "sat"] and given.tokens == ["the", "cat,", "sat"]


@pytest.mark.once
@pytest.mark.parametrize(
    "variant", ["encoder gru", "attention multi_head", "words alone", "softmax", "language models"]
)
def test_a_saved_preset_loads_the_same_model(models, variant, tmp_path):
    model = models(variant)
    presets.save(model, tmp_path / "it", name="it", dataset="none", dtype="float32")
    again = zoo.load(tmp_path / "it")
    theirs = TokenClassifier.from_preset(str(tmp_path / "it"))
    assert isinstance(again, keras_hub.models.Task)
    for one, same in zip(model.infer(SENTENCES), again.infer(SENTENCES), strict=True):
        assert one.tags == same.tags
        np.testing.assert_allclose(one.confidences, same.confidences, atol=1e-5)
    for copy in (again, theirs):
        assert_copy(copy, model)
        assert copy.preprocessor.encode(SENTENCES) == model.preprocessor.encode(SENTENCES)


@pytest.mark.parametrize("variant", ["encoder lstm", "softmax"])
def test_a_penalized_tag_is_answered_more_rarely(variant):
    model = make(variant)
    tag = model.tags[int(np.argmax(model.probabilities(SENTENCES)["tags"].sum(axis=0)))]
    shares = []
    for penalty in (0, 1.5, -1.5, 1e3):
        model.penalize(tag, penalty)
        found = model.probabilities(SENTENCES)["tags"][:, model.tags.index(tag)]
        shares.append(found.mean())
    assert shares[1] < 0.9 * shares[0] and shares[2] == pytest.approx(shares[0], rel=1e-4)
    assert shares[3] < 1e-6
    with pytest.raises(ValueError, match="must be one of .* Received: tag='nothing'"):
        model.penalize("nothing", 1.0)


@pytest.mark.parametrize("head", [pytest.param("softmax", marks=pytest.mark.once), "crf"])
def test_training_learns_tags_from_characters(head):
    """The tag of a word is that of its last character, and the intent is the first tag."""
    random = np.random.default_rng(0)
    words = [["ab", "cb", "aa", "ba", "ca"][i] for i in random.integers(0, 5, 240)]
    sentences = [words[i : i + 4] for i in range(0, 240, 4)]
    tags = [[f"ends-{word[-1]}" for word in sentence] for sentence in sentences]
    keras.utils.set_random_seed(0)
    tokenizer = train_word_tokenizer(sentences, min_count=1000)  # characters alone
    backbone = TokenClassifierBackbone(
        tokenizer.vocabulary_size(), tokenizer.character_vocabulary_size(), 4, units=8
    )
    names = ("ends-a", "ends-b")
    preprocessor = TokenClassifierPreprocessor(tokenizer, 4)
    model = TokenClassifier(backbone, preprocessor, names, head, intents=names)
    losses = {
        "tags": model.crf.loss if head == "crf" else SentenceCrossentropy(),
        "intent": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }
    # Not with XLA on TensorFlow, which takes long; tests/layers/test_crf.py trains so.
    jit = keras.config.backend() == "jax"
    model.compile(keras.optimizers.Adam(0.03), losses, jit_compile=jit)
    truth = np.array([[names.index(tag) for tag in row] for row in tags], "int32")
    x = preprocessor.collate(preprocessor.encode(sentences), 4)
    y = {"tags": truth, "intent": truth[:, 0]}
    keras.Model.fit(model, x, y, epochs=15, verbose=0)
    columns = {"tokens": sentences, "tags": tags, "intent": [row[0] for row in tags]}
    scores = model.score(columns)
    assert scores["token_accuracy"] == 1.0 and scores["intent_accuracy"] > 0.95
    sure = [p for answer in model.infer(sentences) for p in answer.confidences]
    assert scores["loss"] == pytest.approx(-np.mean(np.log(sure)), rel=1e-5)
    columns["tags"] = [["?", *row[1:]] for row in tags]  # which the model lacks
    assert model.score(columns)["loss"] <= max(-np.log(sure))
    columns["tags"] = [["?"] * len(row) for row in tags]
    assert "loss" not in model.score(columns)


def test_explanations_are_of_the_intent_and_of_each_tag(models):
    model = models("attention bahdanau")
    words = ["the", "cat", "sat"]
    explained = model.explain(words)
    (answer,) = model.infer([words])
    assert explained.source == words and explained.title == answer.intent
    tagged = [f"{word}/{tag}" for word, tag in zip(words, answer.tags, strict=True)]
    assert explained.target == [answer.intent, *tagged]
    np.testing.assert_allclose(np.sum(explained.weights, axis=1), 1, atol=1e-5)
    assert explained.spans == [(span.type, span.start, span.end) for span in answer.spans]
    effects = np.array(explained.effects)
    assert effects.shape == (4, 3)
    # Words that the model does not know: the effect is that of an unknown word in their place.
    for column in range(3):
        (other,) = model.infer([[*words[:column], "\u0378", *words[column + 1 :]]])
        changed = {
            row: tag
            for row, (one, tag) in enumerate(zip(answer.tags, other.tags, strict=True), 1)
            if one != tag
        }
        flips = {f.target: f.answer for f in explained.flips if f.source == column and f.target}
        assert flips == changed
        for row in set(range(1, 4)) - set(changed):
            lost = answer.confidences[row - 1] - other.confidences[row - 1]
            assert effects[row, column] == pytest.approx(lost, abs=1e-5)
    with pytest.raises(ValueError, match="no attention to explain.*method='attention'"):
        models("encoder lstm").explain("the cat", "attention")
    with pytest.raises(ValueError, match="nothing to explain"):
        model.explain(" ")


@pytest.fixture(scope="module")
def pointer():
    """A tagger whose self-attention is its answer, for sentences of up to three words."""
    backbone = make("attention multi_head").backbone
    preprocessor = make("attention multi_head").preprocessor
    return TokenClassifier(backbone, preprocessor, ("1", "2", "3", "O"), "pointer")


def test_a_pointer_answers_by_its_attention(pointer):
    words = ["the", "cat", "sat"]
    explained = pointer.explain(words)
    (answer,) = pointer.infer([words])
    weights = np.array(explained.weights)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    for row, (tag, confidence) in enumerate(zip(answer.tags, answer.confidences, strict=True)):
        place = int(weights[row].argmax())
        assert tag == ("O" if place == row else str(place + 1))
        assert confidence == pytest.approx(weights[row, place], abs=1e-5)
        assert answer.referents[row] == (None if place == row else words[place])
    gradient = pointer.explain(words, "gradient")
    assert np.shape(gradient.effects) == (3, 3) and np.any(gradient.effects)
    shown = [
        word if it is None else f"{word}→{it}"
        for word, it in zip(words, answer.referents, strict=True)
    ]
    assert explained.target == shown and "The attention is the answer" in explained.to_html()
    with pytest.warns(UserWarning, match="1 of 2 sentences have more words.*the first 3:"):
        long, empty = pointer.infer([["the"] * 40, []])
    assert len(long.tags) == 40 and empty.tags == []


@pytest.mark.once
def test_a_saved_pointer_loads_the_same_model(pointer, tmp_path):
    presets.save(pointer, tmp_path / "it", name="it", dataset="none", dtype="float32")
    again = zoo.load(tmp_path / "it")
    assert_copy(again, pointer)
    for one, same in zip(pointer.infer(SENTENCES), again.infer(SENTENCES), strict=True):
        assert one.tags == same.tags


@pytest.mark.parametrize(
    ("variant", "tags", "options", "message"),
    [
        ("encoder lstm", ("O", "1"), {}, "needs attention.*attention='none'"),
        ("attention bahdanau", ("O", "B-X"), {}, "needs the tags O.*'B-X'"),
        ("attention bahdanau", ("O", "1"), {"intents": INTENTS}, "no intents.*'go'"),
        ("attention bahdanau", ("O", "1", "0"), {}, "needs the tags O.*'0'"),
        ("attention bahdanau", ("O", "1", "01"), {}, "needs the tags O.*'01'"),
    ],
)
def test_a_pointer_needs_attention_and_numbers(models, variant, tags, options, message):
    with pytest.raises(ValueError, match=message):
        TokenClassifier(models(variant).backbone, tags=tags, head="pointer", **options)


@variants(["words alone", "language models", "encoder lstm"], everywhere=("encoder lstm",))
def test_taggers_without_attention_explain_too(models, variant):
    explained = models(variant).explain("the cat")
    assert explained.weights is None and np.shape(explained.effects) == (3, 2)
    gradient = models(variant).explain("the cat", "gradient")
    assert np.shape(gradient.effects) == (3, 2) and np.any(gradient.effects)


@pytest.mark.parametrize(
    ("sentences", "error", "message"),
    [
        ("the cat", TypeError, "in a list"),
        ([["the", 3]], TypeError, r"sentences\[0\]"),
        ([7], TypeError, r"sentences\[0\]=7"),
    ],
)
def test_invalid_sentences_raise(models, sentences, error, message):
    with pytest.raises(error, match=message):
        models("encoder lstm").infer(sentences)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "rnn"}, "encoder='rnn'"),
        ({"characters": "bilstm"}, "characters='bilstm'"),
        ({"attention": "self"}, "attention='self'"),
        ({"encoder": "transformer", "units": 10}, "divisible.*units=10"),
    ],
)
def test_invalid_options_of_the_backbone_raise(options, message):
    with pytest.raises(ValueError, match=message):
        TokenClassifierBackbone(9, 9, **{"num_heads": 4, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tags": ()}, "`tags` must be a list of at least 1"),
        ({"tags": ("A", "A")}, "all different.*'A', 'A'"),
        ({"head": "sigmoid"}, "head='sigmoid'"),
        ({"scheme": "BIO"}, "scheme='BIO'"),
    ],
)
def test_invalid_options_of_the_task_raise(models, options, message):
    with pytest.raises(ValueError, match=message):
        TokenClassifier(models("encoder lstm").backbone, **{"tags": TAGS, **options})


@pytest.mark.once
def test_loss_reads_tags_in_any_unicode_form():
    tokenizer = train_word_tokenizer([["a", "b"]])
    backbone = TokenClassifierBackbone(
        tokenizer.vocabulary_size(), tokenizer.character_vocabulary_size(), 4, units=4
    )
    tags = ["명사", "동사"]
    model = TokenClassifier(backbone, TokenClassifierPreprocessor(tokenizer, 6), tags)
    composed = {"tokens": [["a", "b"]], "tags": [tags]}
    decomposed = composed | {"tags": [[unicodedata.normalize("NFD", tag) for tag in tags]]}
    assert model.score(decomposed) == model.score(composed)
    assert "loss" in model.score(composed)
