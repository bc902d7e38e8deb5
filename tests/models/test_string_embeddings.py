"""Contextual string embeddings: what a tagger reads of its language models."""

import keras
import numpy as np
import pytest

import zoo
from tests.weights import assign_normal
from zoo import presets
from zoo.models import (
    CausalLM,
    CausalLMBackbone,
    CausalLMPreprocessor,
    TokenClassifier,
    TokenClassifierBackbone,
)
from zoo.models.token_classifier import (
    ContextualTokenClassifierPreprocessor,
    TokenClassifierPreprocessor,
)
from zoo.models.token_classifier.contextual import MAX_CHARACTERS
from zoo.models.token_classifier.parts import after_language_models
from zoo.models.token_classifier.string_embeddings import string_embeddings
from zoo.tokenizers import train_character_tokenizer, train_word_tokenizer

SENTENCES = [["The", "cat", "sat", "."], ["é", "", "나는"], [], ["a"]]
TEXT = "The cat sat.\nA cat; a ç é\n"
TAGS = ("A", "B", "C")


def make(units=(4, 5), cell="lstm"):
    """The language models and a tagger with their states, with the same weights everywhere."""
    characters = train_character_tokenizer([TEXT])
    readers = []
    for backward, size in enumerate(units):
        backbone = CausalLMBackbone(
            characters.vocabulary_size(), cell, embedding_dim=3, units=size, input_dropout=0.5
        )
        preprocessor = CausalLMPreprocessor(characters, 8, start="\n", backward=bool(backward))
        readers.append(CausalLM(backbone, preprocessor))
    for seed, reader in enumerate(readers):
        assign_normal(reader.backbone.weights, scale=1 + seed)
    words = train_word_tokenizer([["The", "cat", "sat", "é"]])
    preprocessor = ContextualTokenClassifierPreprocessor(
        words, "".join(characters.get_vocabulary()[4:]), "\n", len(units), 0, sequence_length=6
    )
    backbone = TokenClassifierBackbone(
        words.vocabulary_size(),
        word_dim=3,
        characters="none",
        encoder="simple_rnn",
        units=4,
        dropout=0.3,
        language_models=[reader.backbone for reader in readers],
        language_dim=2,
    )
    return readers, TokenClassifier(backbone, preprocessor, TAGS, "softmax")


@pytest.fixture(scope="module")
def made():
    return make()


def features(model, sentences, length=None):
    """The states that the tagger reads, `[sentences, words, units of both models]`."""
    encoded = model.preprocessor.encode(sentences)
    batch = model.preprocessor.collate(
        encoded, length or max(map(model.preprocessor.length, encoded))
    )
    inputs = [model.backbone.input[name] for name in ("text_ids", "text_places")]
    reader = keras.Model(inputs, string_embeddings(model.backbone.language_models, *inputs))
    return reader.predict_on_batch([batch["text_ids"], batch["text_places"]]), batch


def test_a_word_has_the_states_of_the_language_models_at_its_ends(made):
    """Each prefix and each suffix, read by the models themselves."""
    (forward, backward), model = made
    words = SENTENCES[0]
    found, batch = features(model, [words])
    assert found.shape[2] == 9
    for i in range(len(words)):
        prefix, suffix = " ".join(words[: i + 1]), " ".join(words[i:])
        for reader, text, state in (
            (forward, prefix, found[0, i, :4]),
            (backward, suffix, found[0, i, 4:]),
        ):
            inputs, _, _ = reader.preprocessor.collate(
                reader.preprocessor.encode([text]), len(text) + 1
            )
            assert inputs["token_ids"][0, 0] == reader.preprocessor.tokenizer.token_to_id("\n")
            expected = reader.backbone.predict_on_batch(inputs)[0, -1]
            np.testing.assert_allclose(state, expected, atol=1e-6)


def test_padding_and_other_sentences_change_nothing(made):
    _, model = made
    found, batch = features(model, SENTENCES)
    longer, _ = features(model, SENTENCES, 64)
    for row, words in enumerate(SENTENCES):
        count = len(words)
        assert batch["padding_mask"][row].sum() == count
        np.testing.assert_allclose(found[row, :count], longer[row, :count], atol=1e-6)
    together = model.infer(SENTENCES, batch_size=3)
    for words, answer in zip(SENTENCES, together, strict=True):
        (alone,) = model.infer([words])
        assert alone.tokens == words
        np.testing.assert_allclose(alone.confidences, answer.confidences, atol=1e-5)


def test_training_leaves_the_language_models_as_they_are():
    _, model = make(units=(4,), cell="simple_rnn")
    (reader,) = model.backbone.language_models
    before = [np.array(weight) for weight in reader.get_weights()]
    head = np.array(model.backbone.get_layer("language_projection").get_weights()[0])
    assert all(it.path.startswith("forward_language_model/") for it in reader.weights)
    assert not any("language_model/" in weight.path for weight in model.trainable_weights)
    encoded = model.preprocessor.encode(SENTENCES[:2])
    x = model.preprocessor.collate(encoded, 16)
    jit = keras.config.backend() == "jax"
    model.compile(keras.optimizers.SGD(1.0, momentum=0.9), "auto", jit_compile=jit)
    keras.Model.train_on_batch(model, x, {"tags": np.array([[0, 1, 2, 0], [1, 1, 2, 0]], "int32")})
    for one, same in zip(before, reader.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.allclose(head, model.backbone.get_layer("language_projection").get_weights()[0])
    assert not any("language_model_" in weight.path for weight in model.optimizer.variables)


@pytest.mark.once
def test_language_models_are_copied_and_stay_frozen():
    (reader,), model = make(units=(4,), cell="simple_rnn")
    (copy,) = model.backbone.language_models
    assert reader.backbone.trainable and len(reader.backbone.trainable_weights) > 0
    assert reader.backbone.input_drop.rate == 0.5 and copy.input_drop.rate == 0.0
    before = [np.array(weight) for weight in copy.get_weights()]
    reader.backbone.set_weights([0 * weight for weight in reader.backbone.get_weights()])
    for one, same in zip(before, copy.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)
    for owner in (model.backbone, model):
        owner.trainable = False
        assert not owner.trainable_weights
        owner.trainable = True
        assert owner.trainable_weights and not copy.trainable_weights
        assert not any(weight is one for weight in owner.trainable_weights for one in copy.weights)
    frozen = TokenClassifierBackbone.from_config(model.backbone.get_config() | {"trainable": False})
    assert not frozen.trainable_weights


@pytest.mark.once
def test_other_models_are_no_language_models_of_a_tagger():
    sizes = {"vocabulary_size": 9, "embedding_dim": 4, "units": 4, "num_heads": 2}
    transformer = CausalLMBackbone(decoder="transformer", **sizes)
    with pytest.raises(ValueError, match="recurrent language models.*decoder='transformer'"):
        TokenClassifierBackbone(9, 9, language_models=[transformer])
    with pytest.raises(ValueError, match="at most a forward and a backward.*Received: 3 of them"):
        TokenClassifierBackbone(9, 9, language_models=[transformer] * 3)


@pytest.mark.once
def test_a_preset_holds_its_language_models(made, tmp_path):
    _, model = made
    presets.save(model, tmp_path / "it", name="it", dataset="none", dtype="float32")
    again = zoo.load(tmp_path / "it")
    assert not any("language_model/" in weight.path for weight in again.trainable_weights)
    assert again.preprocessor.get_config() == model.preprocessor.get_config()
    for one, same in zip(model.infer(SENTENCES), again.infer(SENTENCES), strict=True):
        assert one.tags == same.tags
        np.testing.assert_allclose(one.confidences, same.confidences, atol=1e-6)


@pytest.mark.once
def test_ids_and_places_of_both_directions(made):
    _, model = made
    preprocessor = model.preprocessor
    one, other, empty, _ = preprocessor.encode(SENTENCES)
    known = preprocessor._reader
    batch = preprocessor.collate([one, other, empty], 16)
    (ids, back), (ends, firsts) = batch["text_ids"][0], batch["text_places"][0]
    line = known.token_to_id("\n")
    assert ids.tolist() == [line, *known.encode(["The cat sat ."])[0], 0, 0]
    assert back.tolist() == [line, *known.encode([". tas tac ehT"])[0], 0, 0]
    assert ends.tolist()[:4] == [3, 7, 11, 13] and firsts.tolist()[:4] == [13, 9, 5, 1]
    # The decomposed é is one character; an empty word, and one without known characters, unknown.
    space = known.token_to_id(" ")
    expected = [line, known.token_to_id("é"), space, 1, space, 1, 1]
    assert batch["text_ids"][1, 0, :7].tolist() == expected
    assert preprocessor.length(other) == 7 and preprocessor.length(empty) == 0
    assert batch["word_ids"].shape == (3, 4) and batch["text_places"].shape == (3, 2, 4)
    letters = preprocessor.encode([["a"] * 8])
    assert preprocessor.collate(letters, 16)["word_ids"].shape == (1, 8)
    (_, _, text) = preprocessor.masked(one, 1)
    assert text == [one[2][0], [1], *one[2][2:]]


@pytest.mark.once
def test_a_call_has_a_fixed_shape_and_shortens_long_words(made):
    _, model = made
    batch = model.preprocessor([["a"], ["ca" + "b" * 29 + "A", "c" * 20, "d"], ["x"] * 9])
    assert batch["text_ids"].shape == (3, 2, 48) and batch["text_places"].shape == (3, 2, 6)
    assert batch["padding_mask"].sum(axis=1).tolist() == [1, 3, 6]
    # The first and the last 12 characters of the longest word: 24, 20 and 1 then fit.
    assert batch["text_places"][1, 0, :3].tolist() == [24, 45, 47]
    read = model.preprocessor._reader
    first, last = (read.token_to_id(character) for character in "cA")
    assert batch["text_ids"][1, 0, [1, 24]].tolist() == [first, last]
    assert batch["text_ids"][1, 1, batch["text_places"][1, 1, 0]] == first
    full = model.preprocessor([["a" * 99] * 6, ["a" * 10**6]])
    assert full["padding_mask"].sum() == 7 and full["text_places"].max() == 47


@pytest.mark.once
def test_fit_and_evaluate_take_sentences_with_long_words():
    _, model = make(units=(4,), cell="simple_rnn")
    x, y = [["a" * 60, "b", "c"], ["d"]], [["A", "B", "C"], ["A"]]
    model.compile("sgd", "auto")
    model.fit(x, y, verbose=0)
    assert np.isfinite(model.evaluate(x, y, verbose=0))


@pytest.mark.once
def test_a_batch_of_empty_sentences_has_the_start(made):
    _, model = made
    preprocessor = model.preprocessor
    batch = preprocessor.collate(preprocessor.encode([[], []]), 0)
    assert batch["text_ids"].tolist() == [[[preprocessor.start_token_id]] * 2] * 2
    assert batch["padding_mask"].tolist() == [[False]] * 2
    assert [it.tags for it in model.infer([[], []])] == [[], []]


@pytest.mark.once
@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_models": 1}, "of 18 and 18 characters in the.*of 18 characters in the prep"),
        ({"text_characters": "abcdefghijklmnop"}, "of 18 and 18 .*of 20 and 20 characters in the"),
        (None, "of 18 and 18 characters in the backbone, no language models in the preprocessor"),
    ],
)
def test_a_preprocessor_must_be_for_the_language_models(made, changes, message):
    _, model = made
    known = model.preprocessor
    if changes is None:
        other = TokenClassifierPreprocessor(known.tokenizer, 0)
    else:
        values = {name: getattr(known, name) for name in ("text_characters", "start", "num_models")}
        other = ContextualTokenClassifierPreprocessor(known.tokenizer, **values | changes)
    with pytest.raises(ValueError, match=f"as many, with their characters.*{message}"):
        TokenClassifier(model.backbone, other, TAGS)


@pytest.mark.once
def test_a_sentence_has_a_limit_of_characters(made):
    _, model = made
    with pytest.raises(ValueError, match="at most 16,384 characters: split.*in 2 words"):
        model.infer([["a" * (MAX_CHARACTERS - 1), "b"]])
    with pytest.raises(ValueError, match="`num_models` must be 1 or 2"):
        ContextualTokenClassifierPreprocessor(model.preprocessor.tokenizer, "ab", num_models=3)


def test_training_without_the_language_models_gives_their_outputs(made):
    """With the states of both models at each word as an input."""
    _, model = made
    sentences = [SENTENCES[0], ["a"]]
    states, batch = features(model, sentences)
    expected = keras.Model.predict_on_batch(model, batch)["tags"]
    after = after_language_models(model)
    inputs = model.preprocessor.collate_words(model.preprocessor.encode(sentences), 8)
    padded = np.pad(states, ((0, 0), (0, 8 - states.shape[1]), (0, 0)))
    found = after.predict_on_batch(inputs | {"text_states": padded})["tags"]
    for row, words in enumerate(sentences):
        count = len(words)
        np.testing.assert_allclose(found[row, :count], expected[row, :count], atol=1e-5)
    weights = {id(weight) for reader in model.backbone.language_models for weight in reader.weights}
    assert {id(it) for it in after.weights} | weights == {id(it) for it in model.weights}
    assert not weights & {id(it) for it in after.weights}
