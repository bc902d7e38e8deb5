"""The causal language model: its contract, what it writes, and its arguments."""

import itertools
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.models.copies import assert_copy
from tests.variants import variants
from tests.weights import assign_normal, without_seeds
from zoo.decoding import compiled
from zoo.models import CausalLM, CausalLMBackbone, CausalLMPreprocessor
from zoo.sampling_options import SamplingOptions
from zoo.tokenizers import (
    train_character_tokenizer,
    train_spaced_word_tokenizer,
    train_subword_tokenizer,
)

EXPECTED = Path(__file__).parent.parent / "contracts" / "causal_lm_logits.json"
TEXTS = ["to be or not to be\nthat is the question", "all the world is a stage", "now is the"]
SIZES = {"embedding_dim": 6, "units": 6, "num_heads": 2, "max_sequence_length": 64}
VARIANTS = {
    "lstm": {},
    "gru": {"decoder": "gru", "num_layers": 2, "units": 8, "residual": True},
    "simple_rnn": {"decoder": "simple_rnn", "tie_embeddings": False},
    "bahdanau": {"attention": "bahdanau", "attention_span": 3},
    "scaled_dot": {"attention": "scaled_dot", "attention_span": 2},
    "multi_head": {"decoder": "gru", "attention": "multi_head", "attention_span": 64},
    "transformer": {"decoder": "transformer", "num_layers": 2},
    "adaptive": {"embedding_cutoffs": [4, 9], "embedding_factor": 2, "units": 5},
}
IDS = np.random.default_rng(1).integers(4, 12, (1, 8)).astype("int32")


def make_preprocessor(**options):
    return CausalLMPreprocessor(train_character_tokenizer(TEXTS), 16, **options)


def make(variant="lstm", preprocessor=None, scale=1.5, **options):
    preprocessor = preprocessor or make_preprocessor()
    size = preprocessor.tokenizer.vocabulary_size()
    backbone = CausalLMBackbone(size, **(SIZES | VARIANTS[variant] | options))
    model = CausalLM(backbone, preprocessor)
    assign_normal(without_seeds(model.weights), scale)
    return model


def logits(model, ids, mask):
    return keras.Model.predict_on_batch(model, {"token_ids": ids, "padding_mask": mask})


def known_logits(model):
    return logits(model, IDS, np.ones(IDS.shape, bool))


@variants(VARIANTS, everywhere=("lstm", "bahdanau", "transformer"))
def test_the_contract_of_a_model(variant):
    """Answers of all backends; padding, no leak, and reading in pieces.

    `python -m tests.contracts` records the numbers.
    """
    model = make(variant)
    changed, short, padded = IDS.copy(), IDS.copy(), np.zeros_like(IDS)
    changed[:, 5:] = 4 + (changed[:, 5:] + 1) % 8
    short[:, 5:] = 0
    lengths = np.array([[8], [8], [5], [0]])
    mask = np.arange(8)[None] < lengths
    found = logits(model, np.concatenate([IDS, changed, short, padded]), mask)
    expected = np.reshape(json.loads(EXPECTED.read_text())[variant], found[0].shape)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    np.testing.assert_allclose(found[0, :5], found[1, :5], atol=1e-5)
    np.testing.assert_allclose(found[0, :5], found[2, :5], atol=1e-5)
    assert abs(found[0, 5:] - found[1, 5:]).max() > 1e-2
    assert np.isfinite(found[3]).all()
    # The state after padded pieces is that after the steps which are not padded.
    read = compiled(model.call_with_state, [model], xla=False)
    state = model.backbone.initial_state(2)
    ids = np.concatenate([IDS, IDS])
    pieces = [(ids[:, :4], [4, 2]), (np.stack([IDS[0, 4:], IDS[0, 2:6]]), [4, 4])]
    outputs = []
    for piece, counts in pieces:
        output, state = read(piece, state, np.arange(4)[None] < np.array(counts)[:, None])
        outputs.append(keras.ops.convert_to_numpy(output))
    np.testing.assert_allclose(np.concatenate([one[0] for one in outputs]), found[0], atol=1e-5)
    np.testing.assert_allclose(outputs[1][1], found[0, 2:6], atol=1e-5)


@pytest.fixture(scope="module")
def model():
    return make()


@variants(["lstm", "bahdanau", "transformer"], everywhere=("lstm",))
def test_greedy_search_and_drawing(variant):
    model = make(variant)
    prefixes = ["to be", ""]
    greedy = model.infer(prefixes, max_length=6, temperature=0)
    for one, other in zip(greedy, model.infer(prefixes, max_length=6, beam=1), strict=True):
        assert one.text == other.text and one.score == pytest.approx(other.score, abs=1e-4)
    preprocessor = model.preprocessor
    for prefix, answer in zip(prefixes, greedy, strict=True):
        # Each token is the most probable one after all before it, in one pass over the whole.
        (ids,) = preprocessor.encode([prefix + answer.text])
        inputs, labels, _ = preprocessor.collate([ids], 32)
        start = len(prefix)
        found = logits(model, inputs["token_ids"], inputs["padding_mask"])[0].astype("float64")
        log_probabilities = found - np.log(np.exp(found).sum(-1, keepdims=True))
        end = start + answer.num_tokens
        chosen = log_probabilities[np.arange(start, end), labels[0, start:end]]
        allowed = np.delete(log_probabilities[start:end], [0, 1, 2], axis=1)
        np.testing.assert_allclose(chosen, allowed.max(-1), atol=1e-5)
        assert answer.score == pytest.approx(chosen.sum(), abs=1e-4)
        assert answer.finish == ("end" if labels[0, end - 1] == 3 else "length")
    options = {"max_length": 6, "temperature": 0.9, "seed": 5}
    drawn, other = model.infer(["to be", "to be"], **options)
    assert drawn != other  # equal prefixes have different continuations
    assert "".join(model.stream("to be", **options)) == drawn.text


@pytest.mark.once
def test_beams_find_the_most_probable_continuation(model):
    found = {}
    size, (prefix,) = model.backbone.vocabulary_size, model.preprocessor.encode(["to"])
    tokens = range(3, size)
    texts = [p for n in (0, 1) for p in itertools.product(range(4, size), repeat=n)]
    whole = [[*text, 3] for text in texts] + [list(p) for p in itertools.product(tokens, repeat=2)]
    for ids in whole:
        if 3 in ids[:-1]:
            continue
        found[tuple(ids)] = 0.0
    inputs, labels, _ = model.preprocessor.collate([[*prefix, *ids] for ids in found], 4)
    outputs = logits(model, inputs["token_ids"], inputs["padding_mask"]).astype("float64")
    outputs -= np.log(np.exp(outputs).sum(-1, keepdims=True))
    for row, ids in enumerate(found):
        found[ids] = sum(outputs[row, 2 + i, token] for i, token in enumerate(ids))
    best = max(found, key=found.get)
    (answer,) = model.infer(["to"], max_length=2, beam=100)
    assert answer.score == pytest.approx(found[best], abs=1e-5)
    expected = model.preprocessor.tokenizer.detokenize([i for i in best if i != 3])
    assert (answer.text, answer.num_tokens) == (expected, len(best))


@pytest.mark.once
def test_drawing_options_leave_tokens_out(model):
    greedy = model.infer(["to be"], max_length=8, temperature=0)[0].text
    for options in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-3}):
        assert model.infer(["to be"], max_length=8, seed=3, **options)[0].text == greedy
        assert "".join(model.stream("to be", max_length=8, seed=3, **options)) == greedy
    one, other = (
        model.infer(["to"], max_length=10, seed=3, top_k=5, top_p=top_p)[0] for top_p in (1.0, 0.99)
    )
    assert one.text and other.text


@pytest.mark.once
def test_subwords_and_words_join_to_the_text():
    texts = ["a film that moves you 🎬", "the film is good\nvery good"]
    for tokenizer, prefix in (
        (train_subword_tokenizer(texts * 20, 330), "the film"),
        (train_subword_tokenizer(texts * 20, 330), "영화"),  # bytes
        (train_spaced_word_tokenizer(texts), "the film\nis"),
    ):
        model = make("gru", CausalLMPreprocessor(tokenizer, 8))
        (answer,) = model.infer([prefix], max_length=8, seed=2)
        pieces = list(model.stream(prefix, max_length=8, seed=2))
        assert "".join(pieces) == answer.text
        (ids,) = tokenizer.encode([prefix + answer.text])
        assert len(ids) >= len(tokenizer.encode([prefix])[0])
    assert " " in answer.text or answer.num_tokens < 3


@pytest.mark.once
def test_unknown_characters_and_words(model):
    with pytest.raises(ValueError, match="leave out or replace 'Z', '7'. Received: 'Zoo 77'"):
        model.infer(["to", "Zoo 77"])
    words = train_spaced_word_tokenizer(["a good film"])
    writer = make("gru", CausalLMPreprocessor(words, 8))
    with pytest.warns(UserWarning, match="as <unk>. Received: bad, one"):
        writer.infer(["a bad one"], max_length=2)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"max_length": 0},
            "`max_length` must be an integer of at least 1. Received: max_length=0",
        ),
        ({"max_length": 10**6}, "`max_length` must be an integer of at most 16,384"),
        ({"temperature": -0.1}, "`temperature` must be a finite number of at least 0"),
        ({"temperature": 1000}, "`temperature` must be at most 100"),
        ({"top_p": 0}, "`top_p` must be a finite number of at least 1e-06"),
        ({"top_p": 1.5}, "`top_p` must be at most 1. Received: top_p=1.5"),
        ({"top_k": -1}, "`top_k` must be an integer of at least 0"),
        ({"beam": 0}, "`beam` must be an integer of at least 1"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
        ({"beam": 2, "temperature": 0.5}, "draws nothing: leave out temperature.*beam=2"),
    ],
)
def test_options_out_of_range(model, options, message):
    with pytest.raises(ValueError, match=message):
        SamplingOptions(**options)
    with pytest.raises(ValueError, match=message):
        model.infer([], **options)
    if "beam" not in options:
        with pytest.raises(ValueError, match=message):
            model.stream("to", **options)  # before the first piece is asked for


@pytest.mark.once
def test_wrong_inputs(model):
    assert model.infer([]) == []
    with pytest.raises(TypeError, match="must come in a list"):
        model.infer("to be")
    with pytest.raises(ValueError, match="`batch_size` must be an integer"):
        model.infer(["to"], batch_size=0)
    with pytest.raises(ValueError, match="needs the columns"):
        model.score({"words": ["a"]})
    with pytest.raises(ValueError, match="at least one row"):
        model.score({"text": []})
    with pytest.raises(ValueError, match="An empty text has nothing to explain"):
        model.explain("")
    with pytest.raises(ValueError, match="no attention to explain; use method='surprisal'"):
        model.explain("to be", "attention")
    with pytest.raises(ValueError, match="`method` must be one of.*Did you mean `surprisal`"):
        model.explain("to be", "surprise")
    with pytest.raises(ValueError, match="has no preprocessor"):
        CausalLM(model.backbone).infer(["to"])
    with pytest.raises(ValueError, match="`start` must be a token of the tokenizer"):
        make_preprocessor(start="Z").collate([[4]], 8)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "rnn"}, "`decoder` must be one of"),
        ({"attention": "luong_dot"}, "`attention` must be one of"),
        ({"decoder": "transformer", "units": 8}, "units equal to embedding_dim"),
        ({"decoder": "transformer", "attention": "bahdanau"}, "attends to the past by itself"),
        ({"decoder": "transformer", "weight_dropout": 0.1}, "no recurrent weights"),
        (
            {"decoder": "gru_reset_before", "weight_dropout": 0.1},
            "Weight_dropout is for simple_rnn",
        ),
        ({"attention": "multi_head", "num_heads": 4}, "divisible by num_heads"),
        ({"embedding_cutoffs": [4], "tie_embeddings": False}, "set tie_embeddings true, or"),
        ({"embedding_cutoffs": [4, 9]}, "below the size of the vocabulary"),
        ({"attention": "bahdanau", "attention_span": 0}, "`span` must be an integer of at least 1"),
    ],
)
def test_models_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        CausalLMBackbone(9, **(SIZES | options))


@pytest.mark.once
def test_positions_of_a_transformer_are_limited():
    model = make("transformer", max_sequence_length=16)
    prefix = "to be or not"  # 12 characters
    (answer,) = model.infer([prefix], max_length=4, temperature=0)
    assert answer.num_tokens <= 4
    with pytest.raises(ValueError, match="16 positions for the prefix.*prefix of 12 tokens"):
        model.infer([prefix], max_length=5)
    with pytest.raises(ValueError, match="prefix of 17 tokens, max_length=None"):
        model.infer(["to be or not to b"])
    with pytest.raises(ValueError, match="16 positions: set `max_length`.*Received: max_length=17"):
        model.generate(prefix, max_length=17)
    long = CausalLMPreprocessor(model.preprocessor.tokenizer, 17)
    with pytest.raises(ValueError, match="sequence_length to at most 16. Received: .*=17"):
        CausalLM(model.backbone, long)
    tensors = {"token_ids": np.ones((1, 17), "int32"), "padding_mask": np.ones((1, 17), bool)}
    with pytest.raises(ValueError, match="16 positions: give it no more.*Received: 17"):
        model(tensors)
    one, other = model.infer([prefix, prefix[:-1]], temperature=0)  # each as far as it can
    assert one == answer and other.num_tokens <= 5


@pytest.mark.once
def test_an_empty_prefix_begins_a_text():
    model = make(preprocessor=make_preprocessor(start="\n"))
    first, after_break = model.infer(["", "\n"], max_length=6, temperature=0)
    assert first.text
    assert model.preprocessor.start_token_id == model.preprocessor.tokenizer.token_to_id("\n")
    assert after_break != first  # two line breaks were read
    assert make().preprocessor.start_token_id == 3


def test_scores_are_those_of_the_whole_text(model):
    texts = [TEXTS[0], "", TEXTS[1]]
    found = model.token_log_probabilities(texts)
    (ids,) = model.preprocessor.encode(texts[:1])
    inputs, labels, _ = model.preprocessor.collate([ids], 64)
    outputs = logits(model, inputs["token_ids"], inputs["padding_mask"])[0].astype("float64")
    outputs -= np.log(np.exp(outputs).sum(-1, keepdims=True))
    expected = outputs[np.arange(64), labels[0]][: len(ids) + 1]
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    assert [len(one) for one in found] == [len(text) + 1 for text in texts]
    scores = model.score({"text": texts})
    nats = -sum(one.sum() for one in found)
    count = sum(map(len, found))
    assert scores["loss"] == pytest.approx(nats / count, abs=1e-5)
    assert scores["perplexity"] == pytest.approx(np.exp(nats / count), rel=1e-4)
    assert scores["bits_per_character"] == pytest.approx(nats / count / np.log(2), abs=1e-5)
    assert scores["perplexity_without_state"] != pytest.approx(scores["perplexity"], rel=1e-4)
    assert "perplexity_without_state" not in model.score({"text": texts}, carried_state_only=True)


@variants(["lstm", "bahdanau", "transformer"], everywhere=("lstm",))
def test_long_texts_are_read_in_segments(variant, monkeypatch):
    from zoo.models.causal_lm import scoring, writing

    model = make(variant, max_sequence_length=32)
    text = " ".join(TEXTS * 2)
    whole = make(variant, max_sequence_length=512) if variant != "transformer" else None
    monkeypatch.setattr(scoring, "SEGMENT", 16)
    monkeypatch.setattr(writing, "SEGMENT", 16)
    (found,) = model.token_log_probabilities([text])
    assert found.shape == (len(text) + 1,)
    if whole is None:  # each token was predicted from at least half of the positions
        (ids,) = model.preprocessor.encode([text])
        start = 48  # tokens of the window that scores the token 64: 32 to 63
        inputs, labels, _ = model.preprocessor.collate([ids], len(ids) + 1)
        window = inputs["token_ids"][:, start : start + 32]
        outputs = logits(model, window, np.ones_like(window, bool))[0].astype("float64")
        outputs -= np.log(np.exp(outputs).sum(-1, keepdims=True))
        expected = outputs[np.arange(16, 32), labels[0, start + 16 : start + 32]]
        np.testing.assert_allclose(found[start + 16 : start + 32], expected, atol=1e-5)
        return
    monkeypatch.setattr(scoring, "SEGMENT", 1024)
    (expected,) = whole.token_log_probabilities([text])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    read = model.infer([text], max_length=4, temperature=0)
    monkeypatch.setattr(writing, "SEGMENT", 1024)
    (other,) = whole.infer([text], max_length=4, temperature=0)
    assert read[0].text == other.text and read[0].score == pytest.approx(other.score, abs=1e-4)


@pytest.mark.once
def test_explanations():
    model = make("bahdanau")
    surprisal = model.explain(TEXTS[1])
    assert surprisal.tokens == list(TEXTS[1])
    (found,) = model.token_log_probabilities([TEXTS[1]])
    np.testing.assert_allclose(surprisal.bits, -found[:-1] / np.log(2), atol=1e-5)
    attention = model.explain(TEXTS[1], "attention")
    weights = np.array(attention.weights)
    count = len(TEXTS[1])
    assert weights.shape == (count, count)
    np.testing.assert_allclose(weights[1:].sum(-1), 1, atol=1e-5)
    assert not weights[0].any()  # before the first token there is no past state
    for i in range(count):
        assert not weights[i, i:].any() and not weights[i, : max(i - 3, 0)].any()
    pieces = train_subword_tokenizer(["two dogs are running"] * 20, 280)
    model = make("transformer", CausalLMPreprocessor(pieces, 8))
    words = model.explain("two dogs are running")
    assert words.tokens == ["two", " dogs", " are", " running"]
    every = model.explain("two dogs are running", pieces=True)
    assert "".join(every.tokens) == words.text and len(every.tokens) > 4
    assert sum(every.bits) == pytest.approx(sum(words.bits), abs=1e-4)
    assert np.array(model.explain("two dogs", "attention").weights).shape == (2, 2)
    with pytest.raises(ValueError, match="first word alone .*pieces=True"):
        model.explain("x" * 600, "attention")


@pytest.mark.once
@pytest.mark.parametrize("variant", ["simple_rnn", "gru", "multi_head", "transformer"])
def test_a_preset_gives_the_model_back(variant, tmp_path):
    import keras_hub

    regular = {"output_dropout": 0.1, "embedding_dropout": 0.1}
    if variant != "transformer":
        regular |= {"weight_dropout": 0.2, "temporal_regularization": 1.0}
    model = make(variant, make_preprocessor(start="\n"), **regular)
    model.save_to_preset(str(tmp_path))
    copy = keras_hub.models.CausalLM.from_preset(str(tmp_path))
    assert_copy(model, copy)
    assert copy.preprocessor.get_config() == model.preprocessor.get_config()
    np.testing.assert_allclose(known_logits(model), known_logits(copy), atol=1e-6)


@variants(["lstm", "transformer"], everywhere=("lstm",))
def test_models_train_with_fit(variant):
    keras.utils.set_random_seed(0)
    regular = {"activation_regularization": 0.1} if variant != "transformer" else {}
    model = make(variant, scale=0.7, embedding_dropout=0.01, output_dropout=0.01, **regular)
    model.compile(keras.optimizers.Adam(0.02))
    history = model.fit(np.array(TEXTS * 8), batch_size=24, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0] - 0.1


@pytest.mark.once
def test_keras_hubs_generate_continues_as_infer_does():
    model = make()
    special = np.zeros(model.backbone.vocabulary_size)
    special[:4] = -100  # tokens that `infer` does not write
    model.output_bias.bias.assign(special)
    model.compile(sampler="greedy")
    text = model.generate("to be", max_length=12)
    (answer,) = model.infer(["to be"], max_length=6, temperature=0)  # 12 tokens with the start
    assert text == "to be" + answer.text


@pytest.mark.once
def test_a_backward_model_reads_from_the_end():
    forward = make()
    backward = CausalLM(forward.backbone, make_preprocessor(backward=True))
    backward.set_weights(forward.get_weights())
    (found,) = backward.token_log_probabilities(["to be"])
    (expected,) = forward.token_log_probabilities(["eb ot"])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    explained = backward.explain("to be")
    assert explained.tokens == ["t", "o", " ", "b", "e"]
    np.testing.assert_allclose(explained.bits, -found[4::-1] / np.log(2), atol=1e-6)
    for write in (backward.infer, backward.generate, backward.preprocessor.generate_preprocess):
        with pytest.raises(ValueError, match=r"continues no prefix.* Received: \['to'\]"):
            write(["to"])
    with pytest.raises(ValueError, match=r"continues no prefix.* Received: \['to'\]"):
        next(backward.stream("to"))
    attentive = make("transformer", make_preprocessor(backward=True))
    with pytest.raises(ValueError, match="use method='surprisal'.*backward=True"):
        attentive.explain("to be", method="attention")
    config = backward.preprocessor.get_config()
    assert CausalLMPreprocessor.from_config(config).backward is True
