"""`zoo export`: what is wrong is found before anything is loaded, the rest with a real model."""

import json

import keras
import pytest

from zoo.cli import main
from zoo.exporting import formats

TAGGER = "bilstm_crf_ewt_en_upos"
on_tensorflow = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="models are exported from TensorFlow alone"
)


@pytest.fixture
def never_loaded(monkeypatch):
    monkeypatch.setattr("zoo.load", lambda source: pytest.fail("loaded"), raising=False)


@pytest.mark.once
@pytest.mark.parametrize(
    "words, message",
    [
        (["bilstm_crf_ewt_en_upoz"], f"Did you mean `{TAGGER}`"),
        ([TAGGER, "--format", "savedmodel"], "Did you mean `saved_model`?"),
        ([TAGGER, "--format", "torchscript"], "refused, because a trace repeats"),
        ([TAGGER, "--format", "openvino"], "fails for LSTMs"),
        ([TAGGER, "--format", "tflite"], "could not be checked"),
        ([TAGGER, "--backend", "torch"], "silently wrong"),
        ([TAGGER, "--backend", "jax"], "leave --backend out"),
        (["gru_bahdanau_multi30k_en_de"], "Received: a seq2seq_lm"),
    ],
)
def test_wrong_use_is_found_before_anything_is_loaded(
    never_loaded, tmp_path, words, message, capsys
):
    assert main(["export", *words, "-o", str(tmp_path / "it")]) == 2
    said = capsys.readouterr().err
    assert message in said and "\nnext: " in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
@pytest.mark.parametrize("name, message", [("", "something already"), ("it.onnx", "A directory")])
def test_a_wrong_output_too(never_loaded, tmp_path, name, message, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["export", TAGGER, "-o", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    from zoo import presets
    from zoo.models import TextClassifier, TextClassifierBackbone, TextClassifierPreprocessor
    from zoo.tokenizers import train_subword_tokenizer

    tokenizer = train_subword_tokenizer(["a good film", "a bad film"], 300)
    model = TextClassifier(
        TextClassifierBackbone(tokenizer.vocabulary_size(), embedding_dim=4, units=4),
        TextClassifierPreprocessor(tokenizer, sequence_length=16),
    )
    directory = tmp_path_factory.mktemp("preset") / "tiny"
    presets.save(model, directory, name="tiny", dataset="reviews", licence="CC0-1.0")
    return directory


@on_tensorflow
def test_it_says_what_it_wrote_and_how_it_was_checked(saved, tmp_path, capsys):
    output = tmp_path / "classifier"
    assert main(["export", str(saved), "-o", str(output)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{output}: saved_model, ")
    assert second.startswith("checked on 100 sentences: the same answers, largest difference of a")
    description = json.loads((output / "assets.extra" / "model.json").read_text("utf-8"))
    assert (description["name"], description["licence"]) == ("tiny", "CC0-1.0")


@on_tensorflow
def test_what_answers_otherwise_is_a_failure_and_leaves_nothing(
    saved, tmp_path, monkeypatch, capsys
):
    right = formats.SavedModel.load

    def load(directory):
        run = right(directory)
        return lambda batch: {"probabilities": run(batch)["probabilities"][:, ::-1]}

    monkeypatch.setattr(formats.SavedModel, "load", load)
    assert main(["export", str(saved), "-o", str(tmp_path / "classifier")]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "does not answer as the model does" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(keras.config.backend() == "tensorflow", reason="there it is right")
def test_a_process_on_another_backend_cannot(saved, tmp_path, capsys):
    assert main(["export", str(saved), "-o", str(tmp_path / "classifier")]) == 2
    assert f"Keras runs on {keras.config.backend()}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
