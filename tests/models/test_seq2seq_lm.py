"""Contracts of the sequence-to-sequence model with each attention."""

import functools
import json
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest

import zoo
from tests.models.copies import assert_copy
from tests.variants import variants
from tests.weights import assign_normal
from zoo import presets
from zoo.choices import ATTENTIONS
from zoo.models import Seq2SeqLM, Seq2SeqLMBackbone, Seq2SeqLMPreprocessor
from zoo.models.generation import SearchOptions
from zoo.tokenizers import train_subword_tokenizer

SOURCES = ["one two three", "three two", "two two one", "one", "하나 둘"]
TARGETS = ["drei zwei eins", "zwei drei", "eins zwei zwei", "eins", "둘 하나"]
EXPECTED = Path(__file__).parents[1] / "contracts" / "seq2seq_lm_logits.json"

# Each attention once, and each other option once.
VARIANTS = {name: {"attention": name} for name in ("none", *ATTENTIONS)}
for name in ATTENTIONS:
    if ATTENTIONS.choice(name).needs_one_size:
        VARIANTS[name]["bidirectional"] = False
VARIANTS["lstm, deep, fed"] = {"cell": "lstm", "num_layers": 2, "input_feeding": True}
VARIANTS["transformer"] = {"attention": "transformer", "num_layers": 2, "num_heads": 2}
VARIANTS["transformer, tied"] = VARIANTS["transformer"] | {"tie_embeddings": "all"}
VARIANTS["tied"] = {"tie_embeddings": "all"}
VARIANTS["output tied"] = {"tie_embeddings": "output", "cell": "simple_rnn"}
VARIANTS["copying"] = {"copy": True}
VARIANTS["transformer, copying"] = VARIANTS["transformer, tied"] | {"copy": True}
ON_EACH_BACKEND = ("none", "lstm, deep, fed", "transformer", "transformer, copying")


def make_preprocessor():
    return Seq2SeqLMPreprocessor(train_subword_tokenizer(SOURCES * 9 + TARGETS * 9, 320), 24, 24)


def make(preprocessor, variant):
    """A model with the same weights on every backend."""
    options = {"embedding_dim": 8, "units": 8, **VARIANTS[variant]}
    copy = options.pop("copy", False)
    backbone = Seq2SeqLMBackbone(preprocessor.tokenizer.vocabulary_size(), **options)
    model = Seq2SeqLM(backbone, preprocessor, languages=("en", "de"), copy=copy)
    assign_normal(sorted(model.trainable_weights, key=lambda it: it.path), scale=1.5)
    return model


@pytest.fixture(scope="module")
def preprocessor():
    return make_preprocessor()


@pytest.fixture(scope="module")
def models(preprocessor):
    """A cache of the variants, each built and compiled once."""
    made = functools.cache(functools.partial(make, preprocessor))
    return lambda variant="bahdanau": made(variant)


def batch(model, length=24):
    preprocessor = model.preprocessor
    return preprocessor.collate(
        preprocessor.encode_source(SOURCES), preprocessor.encode_target(TARGETS), length
    )


def known_logits(model):
    """A few logits of the unpadded steps."""
    inputs, _, weights = batch(model)
    return logits(model, inputs)[:, :3, :5] * weights[:, :3, None]


def logits(model, inputs):
    return np.asarray(keras.Model.predict_on_batch(model, inputs), "float32")


@pytest.mark.parametrize("attention", ["bahdanau", "luong_general"])
def test_half_precision_writes_too(preprocessor, attention):
    """A decoder projects its keys outside of a call, where Keras casts no weights."""
    vocabulary = preprocessor.tokenizer.vocabulary_size()
    backbone = Seq2SeqLMBackbone(
        vocabulary, embedding_dim=8, units=8, attention=attention, dtype="mixed_bfloat16"
    )
    (answer,) = Seq2SeqLM(backbone, preprocessor).infer(SOURCES[:1], beam=1, max_length=2)
    assert np.isfinite(answer.score)


@variants(VARIANTS, everywhere=(*ON_EACH_BACKEND, "bahdanau", "copying"))
def test_outputs_equal_the_recorded_ones_on_every_backend(models, variant):
    expected = json.loads(EXPECTED.read_text())[variant]
    np.testing.assert_allclose(known_logits(models(variant)).ravel(), expected, atol=1e-5)


@pytest.mark.parametrize(
    "rates, is_random", [((0.0, 0.9), True), ((0.9, 0.0), True), ((0.0, 0.0), False)]
)
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_blocks_and_their_outputs_have_dropout_rates_of_their_own(part, rates, is_random):
    options = dict(zip(("dropout", "inner_dropout"), rates, strict=True))
    backbone = Seq2SeqLMBackbone(9, attention="transformer", embedding_dim=8, units=8, **options)
    states = keras.random.normal((2, 5, 8), seed=1)
    layer, inputs = backbone.encoder.layers[0], (states,)
    if part == "decoder":
        layer, inputs = backbone.decoder, (states, states)
    outputs = [
        keras.ops.convert_to_numpy(layer(*inputs, training=training)) for training in (True, False)
    ]
    assert np.allclose(*outputs, atol=1e-6) != is_random


def test_a_block_drops_as_its_outputs_unless_told_otherwise():
    options = {"embedding_dim": 8, "units": 8, "attention": "transformer", "dropout": 0.3}
    for given, expected in (None, 0.3), (0.1, 0.1):
        backbone = Seq2SeqLMBackbone(9, inner_dropout=given, **options)
        (decoder,), (encoder,) = backbone.decoder.layers, backbone.encoder.layers
        found = [decoder.drop_hidden.rate, decoder.cross_attention.dropout, encoder.inner_dropout]
        assert found == [expected] * 3
        assert (decoder.drop.rate, encoder.dropout) == (0.3, 0.3)
        copy = Seq2SeqLMBackbone.from_config(backbone.get_config())
        assert copy.inner_dropout == given


@variants(VARIANTS, everywhere=("lstm, deep, fed", "transformer, copying"))
def test_padding_and_later_target_tokens_do_not_change_logits(models, variant):
    model = models(variant)
    inputs, _, weights = batch(model, 24)
    before = logits(model, inputs)
    longer = logits(model, batch(model, 40)[0])[:, :24]
    valid = weights[:, :, None] > 0
    np.testing.assert_allclose(before * valid, longer * valid, atol=1e-5)
    changed = inputs | {"decoder_token_ids": inputs["decoder_token_ids"].copy()}
    changed["decoder_token_ids"][:, 3:] = 7
    after = logits(model, changed)
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=1e-5)
    assert np.abs(after[:, 3:] - before[:, 3:]).max() > 1e-3


@variants(
    [
        "none",
        "luong_local",
        "multi_head",
        "lstm, deep, fed",
        "transformer, tied",
        "copying",
        "transformer, copying",
    ],
    everywhere=("lstm, deep, fed", "transformer, copying"),
)
def test_search_and_teacher_forcing_give_the_same_log_probability(models, variant):
    model = models(variant)
    (answer,) = model.infer(SOURCES[:1], beam=2, n_best=2)
    assert answer.text == answer.hypotheses[0].text and len(answer.hypotheses) == 2
    assert answer.score == answer.hypotheses[0].score >= answer.hypotheses[1].score
    search = model.search(SearchOptions(beam=2, n_best=2))
    found = search(*model._collate(model._encode(SOURCES[:1]), 16))
    for n, hypothesis in enumerate(answer.hypotheses):
        written = [found.tokens[0, n, : found.lengths[0, n]].tolist()]
        sources = model.preprocessor.encode_source(SOURCES[:1])
        inputs, following, weights = model.preprocessor.collate(sources, written, 48)
        losses = model._token_losses(inputs, following) * weights
        assert hypothesis.log_probability == pytest.approx(-losses.sum(), abs=1e-3)


@pytest.mark.once
@pytest.mark.parametrize(
    "variant", ["bahdanau", "tied", "transformer", "copying", "transformer, copying"]
)
def test_a_saved_preset_loads_the_same_model(models, variant, tmp_path):
    model = models(variant)
    presets.save(model, tmp_path / "it", name="it", dataset="none", dtype="float32")
    again = zoo.load(tmp_path / "it")
    theirs = keras_hub.models.Seq2SeqLM.from_preset(str(tmp_path / "it"))
    assert again.languages == ("en", "de")
    for one, same in zip(model.infer(SOURCES), again.infer(SOURCES), strict=True):
        assert same.text == one.text and same.score == pytest.approx(one.score, abs=1e-5)
    assert_copy(theirs, model)
    assert theirs.preprocessor.encode_source(SOURCES) == model.preprocessor.encode_source(SOURCES)


@pytest.mark.once
def test_source_and_target_can_have_a_tokenizer_each(tmp_path):
    shared = make_preprocessor()
    own = train_subword_tokenizer(SOURCES * 9, 300)
    preprocessor = Seq2SeqLMPreprocessor(shared.tokenizer, 24, 24, source_tokenizer=own)
    assert preprocessor.source_vocabulary_size() == own.vocabulary_size() < 300
    assert preprocessor.encode_source(SOURCES[:1]) != shared.encode_source(SOURCES[:1])
    assert preprocessor.encode_target(TARGETS) == shared.encode_target(TARGETS)
    back = Seq2SeqLMPreprocessor(own, 24, 24, source_tokenizer=shared.tokenizer)
    assert back.tokenizer.config_file == preprocessor.tokenizer.config_file == "tokenizer.json"
    assert back.encode_target(SOURCES) == preprocessor.encode_source(SOURCES)
    backbone = Seq2SeqLMBackbone(
        shared.tokenizer.vocabulary_size(),
        source_vocabulary_size=own.vocabulary_size(),
        embedding_dim=8,
        units=8,
        tie_embeddings="output",
    )
    model = Seq2SeqLM(backbone, preprocessor)
    model.compile(sampler="greedy")
    presets.save(model, tmp_path / "it", name="it", dataset="none", dtype="float32")
    again = zoo.load(tmp_path / "it")
    assert again.get_config() == model.get_config()
    written = [answer.text for answer in again.infer(SOURCES, beam=1, max_length=23)]
    assert written == model.generate(SOURCES)
    assert "".join(again.explain(SOURCES[4]).source[:-1]) == SOURCES[4]
    packed, _, _ = preprocessor({"encoder_text": SOURCES, "decoder_text": TARGETS})
    expected = preprocessor.collate_source(preprocessor.encode_source(SOURCES), 24)
    for name, values in expected.items():
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(packed[name]), values)


@pytest.mark.once
def test_infer_keeps_the_order_over_buckets_and_batches(models):
    model = models()
    texts = [SOURCES[0] * 3, "", SOURCES[3], SOURCES[0] * 2, " ", *SOURCES]
    answers = model.infer(texts, batch_size=2)
    for text, answer in zip(texts, answers, strict=True):
        assert answer.score == pytest.approx(model.infer([text])[0].score, abs=1e-5)
    assert answers[1].text == answers[4].text == "" and answers[1].score == 0
    assert model.infer([]) == []
    assert set(answers[0].to_dict()) == {"text", "score", "hypotheses"}


@variants(["bahdanau", "transformer", "copying"], everywhere=("copying",))
def test_generate_of_keras_hub_equals_greedy_search(models, variant):
    model = models(variant)
    model.compile(sampler="greedy")
    ours = [answer.text for answer in model.infer(SOURCES, beam=1, max_length=23)]
    assert model.generate(SOURCES) == ours
    assert model.generate(SOURCES[0]) == ours[0]


def test_generate_continues_a_prompt(models):
    model = models()
    model.compile(sampler="greedy")
    prompted = model.generate({"encoder_text": SOURCES[:2], "decoder_text": ["eins", "zwei"]})
    assert [text.startswith(start) for text, start in zip(prompted, ("eins", "zwei"), strict=True)]


def test_samples_are_drawn_at_a_temperature(models):
    model = models()
    draw = model.make_sampler(temperature=1.0, num_samples=20, seed=0)
    first, second, empty = draw(SOURCES[:2] + [""])
    texts = [one.text for one in first.hypotheses]
    assert len(set(texts)) > 3 and first.text == texts[0] and empty.text == ""
    scores = [one.log_probability for one in first.hypotheses]
    assert scores == sorted(scores, reverse=True)
    assert texts != [one.text for one in draw(SOURCES[:1])[0].hypotheses]  # others
    (cold,) = model.make_sampler(temperature=0.05, num_samples=20, seed=0)(SOURCES[:1])
    means = [np.mean([one.log_probability for one in it.hypotheses]) for it in (first, cold)]
    assert means[1] > means[0] + 1  # nearer to the most probable
    for options in ({"temperature": 0}, {"num_samples": 0}):
        with pytest.raises(ValueError, match="Received: "):
            model.make_sampler(**options)


@pytest.mark.once
def test_an_unknown_purpose_is_refused(models):
    with pytest.raises(ValueError, match="`purpose` must be one of.*Received: purpose='chat'"):
        Seq2SeqLM(models().backbone, purpose="chat")


@pytest.mark.once
def test_a_long_text_is_truncated_with_a_warning(models):
    model = models()
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than .* 23 tokens"):
        long, _ = model.infer(["one two " * 10_000, "one"])
    assert long.score < 0
    assert len(model.preprocessor.encode_source(["one " * 100])[0]) == 24


def test_search_options_change_the_output(models):
    model = models()
    short = model.infer(SOURCES[:1], max_length=2)[0]
    long = model.infer(SOURCES[:1], min_length=8)[0]
    assert len(short.text) < len(long.text)
    with pytest.raises(ValueError, match="`beam` must be .* at least 1.*beam=0"):
        model.infer(SOURCES[:1], beam=0)


@pytest.mark.once
def test_score_compares_with_references(models):
    model = models()
    written = [answer.text for answer in model.infer(SOURCES)]
    scores = model.score({"source": SOURCES, "target": written})
    assert scores["exact"] == 1.0
    assert scores["perplexity"] == pytest.approx(np.exp(scores["loss"]))
    inputs, following, weights = batch(model)
    losses = model._token_losses(inputs, following)
    expected = (losses * weights).sum() / weights.sum()
    for size in (2, 64):  # filling rows have no weight
        columns = {"source": SOURCES, "target": TARGETS}
        assert model.score(columns, batch_size=size)["loss"] == pytest.approx(expected, abs=1e-4)


def test_explanations_are_of_the_translation_that_infer_gives(models):
    model = models()
    explained = model.explain("  one two three ")
    assert explained.source == ["one", " two", " three", "</s>"]
    (answer,) = model.infer(["one two three"])
    assert explained.translation == answer.text
    written = explained.target[: len(explained.target) - (explained.target[-1] == "</s>")]
    assert "".join(written) == answer.text
    weights = np.array(explained.weights)
    assert weights.shape == (len(explained.target), 4)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    with pytest.raises(ValueError, match="nothing to explain"):
        model.explain("  ")
    with pytest.raises(ValueError, match="no attention to explain.*method='attention'"):
        models("none").explain("one", "attention")
    pieces = model.explain("onexyz two", "attention", pieces=True)  # an unknown word
    assert "".join(pieces.source[:-1]) == "onexyz two" and len(pieces.source) > 3


@variants(["none", "transformer", "bahdanau"], everywhere=("none",))
def test_effects_are_what_the_log_probability_loses(models, variant):
    model = models(variant)
    explained = model.explain("one two three", "occlusion")
    hypothesis = model.infer(["one two three"])[0].hypotheses[0]
    effects = np.array(explained.effects)
    assert explained.weights is None and effects.shape == (len(explained.target), 4)
    assert not effects[:, -1].any()  # the end token is never left out
    found = model.search()(*model._collate(model._encode(["one two three"]), 16))
    ids = found.tokens[0, 0, : found.lengths[0, 0]]
    for column, rest in enumerate(["two three", "one three", "one two"]):
        lost = [
            model.log_probabilities(model._collate(model._encode([text]), 16), ids).sum()
            for text in ("one two three", rest)
        ]
        assert lost[0] == pytest.approx(hypothesis.log_probability, abs=1e-3)
        assert effects[:, column].sum() == pytest.approx(lost[0] - lost[1], abs=1e-3)


@variants(["transformer", "lstm, deep, fed", "copying"], everywhere=())
def test_gradients_are_those_of_numerical_differences(models, variant):
    model = models(variant)
    explained = model.explain("one", "gradient")
    inputs = model._collate(model._encode(["one"]), 16)
    found = model.search()(*inputs)
    ids = found.tokens[0, 0, : found.lengths[0, 0]]
    embedded = keras.ops.convert_to_numpy(model.backbone.embed_source(inputs[0]))
    count = int(inputs[1].sum()) - 1  # tokens of the word

    def odds(scale):
        scaled = embedded.copy()
        scaled[:, :count] *= scale
        encoded = model.backbone.encode_embedded(keras.ops.convert_to_tensor(scaled), inputs[1])
        return float(keras.ops.convert_to_numpy(model.token_log_odds(ids, inputs, encoded)).sum())

    numerical = (odds(1.01) - odds(0.99)) / 0.02
    assert sum(row[0] for row in explained.effects) == pytest.approx(numerical, rel=0.02, abs=0.02)


@pytest.mark.once
@pytest.mark.parametrize("variant", ["copying", "transformer, copying"])
def test_explanations_show_what_was_copied_and_what_was_written(preprocessor, variant):
    model, text = make(preprocessor, variant), "one two one 🙂"  # known pieces, and bytes
    inputs, tokens = model._collate(model._encode([text]), 16), model._encode([text])[0]
    absent = preprocessor.tokenizer.token_to_id("▁drei")
    for bias, share in ((-20.0, 1.0), (20.0, 0.0)):
        model.pointer_generator.switch.bias.assign([bias])
        copied = model.copied_shares(inputs, [*tokens[:-1], absent])
        np.testing.assert_allclose(copied[:-1].sum(axis=1), share, atol=1e-3)
        np.testing.assert_array_equal(copied[-1], 0)
        different = np.array(tokens)[:-1, None] != inputs[0][0]
        np.testing.assert_array_equal(copied[:-1][different], 0)
    explained = model.explain(text)
    assert np.shape(explained.copied) == np.shape(explained.weights)
    np.testing.assert_allclose(explained.copied, 0, atol=1e-3)
    assert explained.summary[-1][:4] in ("Writ", "Noth")
    assert model.explain(text, "occlusion").copied is None
    assert make(preprocessor, "bahdanau").explain(text).copied is None


@pytest.mark.once
@pytest.mark.parametrize("variant", ["copying", "transformer, copying"])
def test_a_model_that_only_copies_writes_tokens_of_its_source(preprocessor, variant):
    model = make(preprocessor, variant)
    model.pointer_generator.switch.bias.assign([-20.0])
    texts = ["🙂 뷁", "three two"]  # characters that the vocabulary lacks, and known words
    encoded = model._encode(texts)
    search = model.search(SearchOptions(beam=3, n_best=3, min_length=4, max_length=8))
    found = search(*model._collate(encoded, 16))
    for row, ids in enumerate(encoded):
        for n in range(3):
            assert {*found.tokens[row, n, : found.lengths[row, n]].tolist()} <= {*ids}
    empty, unknown, _ = model.infer(["", *texts])
    assert empty.text == "" and empty.score == 0 and np.isfinite(unknown.score)


@pytest.mark.once
def test_copying_needs_attention_and_one_vocabulary():
    options = {"embedding_dim": 8, "units": 8}
    with pytest.raises(ValueError, match="needs attention.*copy=True, attention='none'"):
        Seq2SeqLM(Seq2SeqLMBackbone(20, attention="none", **options), copy=True)
    with pytest.raises(ValueError, match="one vocabulary for both.*source_vocabulary_size=9"):
        Seq2SeqLM(Seq2SeqLMBackbone(20, source_vocabulary_size=9, **options), copy=True)


def test_collate_shifts_the_target(preprocessor):
    inputs, following, weights = preprocessor.collate([[5, 3], [3]], [[6, 7, 3], [8, 3]], 4)
    np.testing.assert_array_equal(inputs["encoder_token_ids"], [[5, 3, 0, 0], [3, 0, 0, 0]])
    np.testing.assert_array_equal(inputs["decoder_token_ids"], [[2, 6, 7, 0], [2, 8, 0, 0]])
    np.testing.assert_array_equal(following, [[6, 7, 3, 0], [8, 3, 0, 0]])
    np.testing.assert_array_equal(weights, [[1, 1, 1, 0], [1, 1, 0, 0]])


def test_calling_the_preprocessor_equals_encode_and_collate(preprocessor):
    x, y, weights = preprocessor({"encoder_text": SOURCES, "decoder_text": TARGETS})
    inputs, following, counts = preprocessor.collate(
        preprocessor.encode_source(SOURCES), preprocessor.encode_target(TARGETS), 24
    )
    to_array = keras.ops.convert_to_numpy
    np.testing.assert_array_equal(to_array(x["encoder_token_ids"]), inputs["encoder_token_ids"])
    np.testing.assert_array_equal(to_array(y), following)
    np.testing.assert_array_equal(to_array(weights), counts)
    ids = to_array(x["decoder_token_ids"]) * counts.astype(int)  # no end tokens
    np.testing.assert_array_equal(ids, inputs["decoder_token_ids"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "grru"}, "must be one of .*Received: cell='grru'"),
        ({"attention": "self"}, "must be one of .*'self'"),
        ({"tie_embeddings": "both"}, "tie_embeddings='both'"),
        ({"tie_embeddings": "output", "units": 9}, "embedding_dim=8, units=9"),
        ({"attention": "transformer", "units": 9}, "embedding_dim=8, units=9"),
        ({"attention": "transformer", "num_heads": 3}, "num_heads.*Received"),
        ({"tie_embeddings": "all", "source_vocabulary_size": 9}, "source_vocabulary_size=9"),
        ({"attention": "luong_dot"}, "luong_general.*Received"),
    ],
)
def test_invalid_options_of_the_backbone_raise(options, message):
    with pytest.raises(ValueError, match=message):
        Seq2SeqLMBackbone(20, **{"embedding_dim": 8, "units": 8, **options})


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ("one", TypeError, "in a list"),
        (["one", 2], TypeError, r"texts\[1\]=2"),
    ],
)
def test_invalid_texts_raise(models, texts, error, message):
    with pytest.raises(error, match=message):
        models().infer(texts)


def test_invalid_batch_sizes_raise(models):
    with pytest.raises(ValueError, match="batch_size=0"):
        models().infer(["one"], batch_size=0)


def test_prefix_forbidden_words_and_penalty_of_repetition(preprocessor):
    model = make(preprocessor, "none")
    bias = np.zeros(model.backbone.vocabulary_size, "float32")
    for word, value in (("eins", 40), ("zwei", 30)):
        (ids,) = preprocessor.tokenizer.encode([word])
        bias[ids] = value
    model.head.bias.assign(bias)
    options = {"beam": 1, "max_length": 8, "min_length": 7}
    assert "eins eins eins" in model.infer(["one"], **options)[0].text
    answers = model.infer(["one", "two"], prefix="drei", forbidden=["eins"], **options)
    assert all(answer.text.startswith("drei zwei zwei") for answer in answers)
    programs = len(model._programs)
    (answer,) = model.infer(["one"], prefix="zwei", forbidden="drei", **options)
    assert answer.text.startswith("zwei eins eins")
    assert len(model._programs) == programs  # the same for other words
    (answer,) = model.infer(["one"], repetition_penalty=2.0, **options)
    assert answer.text.startswith("eins zwei")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefix": "eins zwei", "max_length": 2}, "`max_length`, which counts the end.*of 2 tok"),
        ({"prefix": "eins zwei", "forbidden": "zwei"}, "must not contain.*forbidden='zwei'"),
        ({"prefix": "eins 犬"}, "does not know 犬. Received: prefix='eins 犬'"),
        ({"forbidden": ["犬"]}, "does not know 犬. Received: forbidden='犬'"),
        ({"forbidden": ["a", ""]}, "list of words, or a string"),
        ({"prefix": 3}, "`prefix` must be a string"),
        ({"repetition_penalty": 0.0}, "at least 0.001"),
    ],
)
def test_contradictions_are_refused_before_decoding(models, options, message):
    with pytest.raises(ValueError, match=message):
        models().infer([], **options)
