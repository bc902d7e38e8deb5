"""Exported graphs give the answers of `infer` without the zoo and Keras."""

import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.weights import assign_normal
from zoo import exporting
from zoo.exporting import adapters, formats
from zoo.extras import MissingExtra
from zoo.models import (
    CausalLMBackbone,
    TextClassifier,
    TextClassifierBackbone,
    TextClassifierPreprocessor,
    TokenClassifier,
    TokenClassifierBackbone,
    TokenClassifierPreprocessor,
)
from zoo.models.token_classifier import ContextualTokenClassifierPreprocessor
from zoo.tokenizers import train_subword_tokenizer, train_word_tokenizer

README = Path(__file__).parents[1] / "recipes" / "tagging" / "README.md"
SENTENCES = [["the", "cat", "sat"], ["The", "cats", "didn't", "sit", "on", "the", "mat", "."]]
TEXTS = ["a Good film", "not bad at all", "정말 재미있어요", ""]
TAGS = ("B-X", "I-X", "O", "B-Y", "I-Y")

on_tensorflow = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="models are exported from TensorFlow alone"
)


def make_tagger(text_characters=None, **options):
    tokenizer = train_word_tokenizer(SENTENCES, lowercase=True)
    task = {"scheme": "bio"} | {
        name: options.pop(name) for name in ("head", "intents") if name in options
    }
    backbone = TokenClassifierBackbone(
        tokenizer.vocabulary_size(),
        tokenizer.character_vocabulary_size(),
        word_dim=4,
        character_dim=4,
        character_units=6,
        units=6,
        **options,
    )
    preprocessor = TokenClassifierPreprocessor(
        tokenizer, character_length=0 if options.get("characters") == "none" else 24
    )
    if text_characters:
        preprocessor = ContextualTokenClassifierPreprocessor(
            tokenizer, text_characters, start="h", character_length=0
        )
    return with_weights(TokenClassifier(backbone, preprocessor, TAGS, **task))


def make_classifier(**options):
    tokenizer = train_subword_tokenizer(TEXTS, 300)
    preprocessor = TextClassifierPreprocessor(tokenizer, sequence_length=20, lowercase=True)
    backbone = TextClassifierBackbone(
        tokenizer.vocabulary_size(), embedding_dim=8, units=8, num_heads=2, **options
    )
    labels = ("no", "maybe", "yes")
    return with_weights(TextClassifier(backbone, preprocessor, labels, temperature=2))


def with_weights(model):
    """Assigns weights large enough for the transitions of the CRF to matter."""
    assign_normal(model.trainable_weights, scale=1.5)
    return model


@pytest.fixture(scope="module")
def tagger():
    return make_tagger(intents=("go", "stay"))


@pytest.fixture(scope="module")
def exported(tagger, tmp_path_factory):
    """The directory of the exported tagger, and the check."""
    directory = tmp_path_factory.mktemp("export") / "tagger"
    return directory, exporting.export(tagger, directory)


@pytest.fixture(scope="module")
def graph(exported):
    """The exported graph, read once."""
    return formats.SavedModel.load(exported[0])


def tagged(model, run, sentences):
    """The graph's tags, confidences and intent of each sentence of one batch."""
    batch = model.preprocessor.collate(
        model.preprocessor.encode(sentences), max(map(len, sentences))
    )
    found = run(batch)
    return [
        (
            [model.tags[tag] for tag in found["tags"][row, : len(words)]],
            found["confidences"][row, : len(words)],
            model.intents[found["intents"][row].argmax()] if model.intents else None,
        )
        for row, words in enumerate(sentences)
    ]


@on_tensorflow
@pytest.mark.parametrize("lengths", [[1], [3, 1, 2], [40, 7], [200]])
def test_viterbi_is_exported_for_any_batch_and_sentence_size(graph, tagger, lengths):
    sentences = [(["the", "mat", "unheard", "sat", "."] * 40)[:length] for length in lengths]
    found = tagged(tagger, graph, sentences)
    for answer, (tags, confidences, intent) in zip(tagger.infer(sentences), found, strict=True):
        assert (tags, intent) == (answer.tags, answer.intent)
        np.testing.assert_allclose(confidences, answer.confidences, atol=1e-5)


@on_tensorflow
def test_transitions_change_the_tags(graph, tagger):
    """The Viterbi path differs from the best tag of each word."""
    sentences = [["the", "mat", "sat", "."] * 5]
    before, *_ = tagged(tagger, graph, sentences)
    batch = tagger.preprocessor.collate(tagger.preprocessor.encode(sentences), 20)
    potentials = keras.Model.predict_on_batch(tagger, batch)["tags"]
    assert [tagger.tags[tag] for tag in np.asarray(potentials)[0].argmax(-1)] != before[0]


@on_tensorflow
def test_check_and_extra_files(exported, tagger):
    directory, check = exported
    assert check.sentences == 100 and 0 <= check.difference <= 1e-5
    extra = directory / "assets.extra"
    description = json.loads((extra / "model.json").read_text("utf-8"))
    assert description["tags"] == list(TAGS) and description["intents"] == ["go", "stay"]
    assert description["inputs"]["character_ids"]["shape"] == ["batch", "words", "characters"]
    assert description["outputs"]["tags"]["dtype"] == "int32"
    assert "in lower case" in description["inputs"]["word_ids"]["meaning"]
    assert description["checked"] == {"sentences": 100, "difference": check.difference}
    words = (extra / "words.txt").read_text("utf-8").splitlines()
    assert words == tagger.preprocessor.tokenizer.get_vocabulary()


@on_tensorflow
def test_readme_snippet_needs_neither_zoo_nor_keras(exported, tagger):
    (snippet,) = re.findall(r"```python\n(import json.*?)```", README.read_text("utf-8"), re.DOTALL)
    blocked = "import sys; sys.modules.update(zoo=None, keras=None, keras_hub=None)"
    said = subprocess.run(
        [sys.executable, "-c", f"{blocked}\n{snippet}"],
        cwd=exported[0].parent,
        check=True,
        capture_output=True,
        text=True,
    )
    words = ["The", "cat", "did", "n't", "sit", "on", "the", "mat", "."]
    assert said.stdout.strip() == str(tagger.infer([words])[0].tags)


@on_tensorflow
def test_onnx_includes_viterbi(tagger, tmp_path):
    check = exporting.export(tagger, tmp_path / "tagger", "onnx")
    assert check.sentences == 100 and check.difference <= 1e-5
    run = formats.Onnx.load(tmp_path / "tagger")
    sentences = [*SENTENCES, ["mat"] * 150]
    for answer, (tags, _, intent) in zip(
        tagger.infer(sentences), tagged(tagger, run, sentences), strict=True
    ):
        assert (tags, intent) == (answer.tags, answer.intent)
    assert (tmp_path / "tagger" / "assets.extra" / "characters.txt").is_file()


@on_tensorflow
def test_softmax_head_follows_the_scheme(tmp_path):
    model = make_tagger(head="softmax", characters="none")
    exporting.export(model, tmp_path / "tagger")
    run = formats.SavedModel.load(tmp_path / "tagger")
    ((tags, confidences, _),) = tagged(model, run, [["mat", "the", "sat"] * 9])
    (answer,) = model.infer([["mat", "the", "sat"] * 9])
    assert tags == answer.tags
    np.testing.assert_allclose(confidences, answer.confidences, atol=1e-5)
    for before, tag in zip(["O", *tags], tags, strict=False):
        assert not tag.startswith("I-") or before[1:] == tag[1:]


@on_tensorflow
def test_language_models_are_exported_with_their_tagger(monkeypatch, tmp_path):
    monkeypatch.setattr(adapters, "MAX_WORDS", 12)
    readers = [CausalLMBackbone(9, "simple_rnn", embedding_dim=3, units=4) for _ in range(2)]
    model = make_tagger(" aeht", characters="none", encoder="simple_rnn", language_models=readers)
    assert exporting.export(model, tmp_path / "tagger").difference <= 1e-5
    description = json.loads((tmp_path / "tagger/assets.extra/model.json").read_text("utf-8"))
    assert description["inputs"]["text_ids"]["shape"] == ["batch", 2, "text"]
    assert description["inputs"]["text_ids"]["meaning"].startswith("7, then the words")
    assert description["text_characters"][7 - 4] == "h"


@on_tensorflow
def test_text_classifier(tmp_path):
    model = make_classifier()
    assert exporting.export(model, tmp_path / "classifier").difference <= 1e-5
    description = json.loads((tmp_path / "classifier/assets.extra/model.json").read_text("utf-8"))
    assert description["labels"] == ["no", "maybe", "yes"]
    import sentencepiece

    vocabulary = tmp_path / "classifier" / "assets.extra" / "vocabulary.spm"
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    run = formats.SavedModel.load(tmp_path / "classifier")
    for text, answer in zip(TEXTS, model.infer(TEXTS), strict=True):
        ids = np.array([pieces.encode(text.lower())[:20] or [0]], "int32")
        found = run({"token_ids": ids, "padding_mask": ids > 0})["probabilities"][0]
        np.testing.assert_allclose(found, list(answer.probabilities.values()), atol=1e-5)


@on_tensorflow
def test_onnx_of_a_transformer(tmp_path):
    model = make_classifier(encoder="transformer", max_sequence_length=32)
    assert exporting.export(model, tmp_path / "classifier", "onnx").difference <= 1e-5


@on_tensorflow
@pytest.mark.parametrize(
    "name, spoil, message",
    [
        ("tags", lambda tags: (tags + 1) % len(TAGS), "give different answers"),
        ("intents", lambda intents: -intents, "give different answers"),
        ("confidences", lambda confidences: confidences + 1e-4, "a difference of 0.0001"),
        ("confidences", lambda confidences: confidences * np.nan, "a difference of nan"),
    ],
)
def test_different_answers_leave_no_files(
    graph, tagger, monkeypatch, tmp_path, name, spoil, message
):
    def damaged(batch):
        found = graph(batch)
        return found | {name: spoil(found[name])}

    monkeypatch.setattr(formats.SavedModel, "write", lambda *_: None)
    monkeypatch.setattr(formats.SavedModel, "load", lambda _: damaged)
    with pytest.raises(exporting.ExportError, match=message):
        exporting.export(tagger, tmp_path / "tagger")
    assert list(tmp_path.iterdir()) == []


@on_tensorflow
def test_graph_that_does_not_run_leaves_no_files(tagger, monkeypatch, tmp_path):
    def write(graph, shapes, directory):
        (directory / "saved_model.pb").write_bytes(b"damaged")

    monkeypatch.setattr(formats.SavedModel, "write", write)
    with pytest.raises(exporting.ExportError, match="does not run: nothing was kept"):
        exporting.export(tagger, tmp_path / "tagger")
    assert list(tmp_path.iterdir()) == []


@on_tensorflow
def test_existing_files_are_kept(tagger, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        exporting.export(tagger, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@on_tensorflow
def test_unsupported_models_are_refused(tmp_path):
    with pytest.raises(ValueError, match="of these tasks can be exported.*Received: Functional"):
        inputs = keras.Input((1,))
        exporting.export(keras.Model(inputs, inputs), tmp_path / "model")
    tagger = make_tagger()
    tagger.preprocessor = None
    with pytest.raises(ValueError, match="has no preprocessor"):
        exporting.export(tagger, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@on_tensorflow
def test_a_tagger_takes_no_options_of_a_search(tagger, tmp_path):
    with pytest.raises(ValueError, match="Only models that write.*Received: beam for a token"):
        exporting.export(tagger, tmp_path / "model", beam=3)


@pytest.mark.skipif(keras.config.backend() == "tensorflow", reason="TensorFlow is supported")
def test_other_backends_are_refused_with_the_reason(tmp_path):
    with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow. Received: a model on "):
        exporting.export(make_classifier(), tmp_path / "classifier")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
@pytest.mark.parametrize("format", formats.REFUSED)
def test_unsupported_formats_are_refused_with_the_reason(format):
    with pytest.raises(ValueError, match=f"this one is refused, because .*Received.*={format}"):
        exporting.check_format(format)


@pytest.mark.once
def test_onnx_needs_its_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(MissingExtra, match=r'needs tf2onnx,.* pip install "seqzoo\[onnx\]"'):
        exporting.check_format("onnx")
    exporting.check_format("saved_model")
