"""Exported graphs of models that write find the texts of `infer`, without the zoo and Keras."""

import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.models import test_image_to_text, test_seq2seq_lm
from tests.models.test_seq2seq_lm import SOURCES, TARGETS
from tests.weights import assign_normal
from zoo import exporting
from zoo.exporting import adapters, exporter, formats
from zoo.models import Seq2SeqLM, Seq2SeqLMBackbone, Seq2SeqLMPreprocessor
from zoo.tokenizers import train_character_tokenizer, train_symbol_tokenizer

README = Path(__file__).parents[1] / "recipes" / "translation" / "README.md"

on_tensorflow = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="models are exported from TensorFlow alone"
)


@pytest.fixture(autouse=True)
def few_inputs(monkeypatch):
    """A check on a few short inputs: each shape compiles the search of `infer` again."""
    monkeypatch.setattr(adapters, "SENTENCES", 6)
    monkeypatch.setattr(exporter, "BATCHES", (1, 2, 3))


def make_translator(variant):
    preprocessor = test_seq2seq_lm.make_preprocessor()
    preprocessor.encoder_sequence_length = preprocessor.decoder_sequence_length = 12
    return test_seq2seq_lm.make(preprocessor, variant)


def translated(model, run, texts, search):
    """The texts, scores and attention weights of a graph, for texts of several lengths at once."""
    encoded = model.preprocessor.encode_source(texts)
    batch = model.preprocessor.collate_source(encoded, max(map(len, encoded)))
    found = run({"token_ids": batch["encoder_token_ids"],
                 "padding_mask": batch["encoder_padding_mask"]})  # fmt: skip
    for row, answer in enumerate(model.infer(texts, **search)):
        count = len(answer.hypotheses)
        for n, hypothesis in enumerate(answer.hypotheses):
            ids = found["tokens"][row, n, : found["lengths"][row, n]]
            assert model.text(ids) == hypothesis.text
        np.testing.assert_allclose(
            found["scores"][row, :count], [it.score for it in answer.hypotheses], atol=1e-4
        )
    return found


@pytest.fixture(scope="module")
def translator():
    return make_translator("bahdanau")


@pytest.fixture(scope="module")
def exported(translator, tmp_path_factory):
    directory = tmp_path_factory.mktemp("export") / "translator"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapters, "SENTENCES", 6)
        patch.setattr(exporter, "BATCHES", (1, 2, 3))
        return directory, exporting.export(translator, directory, beam=3, n_best=2)


@on_tensorflow
def test_a_graph_searches_batches_and_lengths_of_any_size(exported, translator):
    directory, check = exported
    assert check.sentences == 6 and 0 <= check.difference <= 1e-5
    run = formats.SavedModel.load(directory)
    search = {"beam": 3, "n_best": 2, "max_length": 12, "length_penalty": 1.0}
    found = translated(translator, run, SOURCES, search)
    weights = found["attention"]  # [batch, n, target, source]
    for row, n in np.ndindex(found["lengths"].shape):
        sums = weights[row, n].sum(axis=-1)
        length = found["lengths"][row, n]
        np.testing.assert_allclose(sums[:length], 1, atol=1e-4)
        np.testing.assert_allclose(sums[length:], 0, atol=1e-6)
    description = json.loads((directory / "assets.extra/model.json").read_text("utf-8"))
    assert description["search"] == search
    assert description["outputs"]["tokens"]["shape"] == ["batch", 2, 12]
    assert description["outputs"]["attention"]["shape"] == ["batch", 2, 12, "tokens"]
    assert "vocabulary.spm" in description["inputs"]["token_ids"]["meaning"]


@on_tensorflow
def test_copying_coverage_and_limits(tmp_path):
    model = make_translator("transformer, copying")
    search = {"beam": 2, "coverage_penalty": 0.2, "no_repeat_ngram": 2, "min_length": 2}
    assert exporting.export(model, tmp_path / "it", **search).difference <= 1e-5
    run = formats.SavedModel.load(tmp_path / "it")
    translated(model, run, SOURCES, {"max_length": 12} | search)


@on_tensorflow
def test_onnx_includes_the_search(tmp_path):
    model = make_translator("none")  # whose graph is the smallest: converting takes long
    search = {"beam": 2, "max_length": 5}
    assert exporting.export(model, tmp_path / "it", "onnx", **search).difference <= 1e-5
    translated(model, formats.Onnx.load(tmp_path / "it"), SOURCES, search)


@on_tensorflow
def test_a_captioner_with_its_cnn(tmp_path):
    model = test_image_to_text.make(test_image_to_text.make_preprocessor())
    exporting.export(model, tmp_path / "it", beam=2, max_length=8)
    run = formats.SavedModel.load(tmp_path / "it")
    pictures = np.concatenate([test_image_to_text.PICTURES, test_image_to_text.PICTURES[:2]])
    found = run({"images": pictures.astype("float32")})
    for row, answer in enumerate(model.infer(list(pictures), beam=2, max_length=8)):
        ids = found["tokens"][row, 0, : found["lengths"][row, 0]]
        assert model.text(ids) == answer.text


@on_tensorflow
def test_two_vocabularies_and_no_attention(tmp_path):
    source, target = train_character_tokenizer(SOURCES), train_symbol_tokenizer(TARGETS)
    preprocessor = Seq2SeqLMPreprocessor(target, 12, 8, source_tokenizer=source)
    backbone = Seq2SeqLMBackbone(
        target.vocabulary_size(), source.vocabulary_size(), "none", embedding_dim=8, units=8
    )
    model = Seq2SeqLM(backbone, preprocessor)
    assign_normal(sorted(model.trainable_weights, key=lambda it: it.path), scale=1.5)
    exporting.export(model, tmp_path / "it", beam=1, repetition_penalty=1.2)
    found = translated(
        model,
        formats.SavedModel.load(tmp_path / "it"),
        SOURCES,
        {"beam": 1, "repetition_penalty": 1.2, "max_length": 8},
    )
    assert "attention" not in found
    extra = tmp_path / "it" / "assets.extra"
    assert json.loads((extra / "source/characters.json").read_bytes()) == list(
        source.get_vocabulary()[4:]
    )
    assert (extra / "symbols.json").is_file()
    description = json.loads((extra / "model.json").read_text("utf-8"))
    assert "source/characters.json" in description["inputs"]["token_ids"]["meaning"]


@on_tensorflow
def test_different_texts_leave_no_files(exported, translator, monkeypatch, tmp_path):
    graph = formats.SavedModel.load(exported[0])

    def damaged(batch):
        found = graph(batch)
        return found | {"tokens": found["tokens"][:, ::-1]}

    monkeypatch.setattr(formats.SavedModel, "write", lambda *_: None)
    monkeypatch.setattr(formats.SavedModel, "load", lambda _: damaged)
    with pytest.raises(exporting.ExportError, match="give different answers: nothing was kept"):
        exporting.export(translator, tmp_path / "it", beam=3, n_best=2)
    assert list(tmp_path.iterdir()) == []


@on_tensorflow
@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"glossary": "one=eins"}, "leave it out. Received: glossary"),
        ({"temperature": 1.0}, "Drawing is random.*Received: temperature"),
        ({"beam": 2, "n_best": 3}, "n_best"),
    ],
)
def test_options_that_no_graph_can_have_are_refused(translator, tmp_path, search, message):
    with pytest.raises(ValueError, match=message):
        exporting.export(translator, tmp_path / "it", **search)
    assert list(tmp_path.iterdir()) == []


@on_tensorflow
def test_the_snippets_need_neither_zoo_nor_keras(exported, translator):
    text = README.read_text("utf-8")
    (snippet,) = re.findall(r"```python\n(import json.*?saved_model.*?)```", text, re.DOTALL)
    snippet = snippet.replace("A man is sleeping.", "three two")  # few tokens of a tiny model
    blocked = "import sys; sys.modules.update(zoo=None, keras=None, keras_hub=None)"
    said = subprocess.run(
        [sys.executable, "-c", f"{blocked}\n{snippet}"],
        cwd=exported[0].parent,
        check=True,
        capture_output=True,
        text=True,
    )
    search = {"max_length": 12, "beam": 3, "n_best": 2, "length_penalty": 1.0}
    answer = translator.infer(SOURCES, **search)[SOURCES.index("three two")]
    lines = [f"{it.text} ({it.score:.2f})" for it in answer.hypotheses]
    assert said.stdout == "\n".join([str(search), *lines, ""])
