"""`zoo export`: wrong arguments without loading a model, and the export of a small one."""

import json

import keras
import pytest

from zoo.cli import main
from zoo.exporting import formats

TAGGER, TRANSLATOR = "bilstm_crf_ewt_en_upos", "gru_bahdanau_multi30k_en_de"
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
        ([TAGGER, "--backend", "jax"], "omit --backend"),
        (["lstm_nsmc_ko"], "Received: causal_lm"),
        ([TAGGER, "--set", "beam=3"], "Only models that write"),
        ([TRANSLATOR, "--set", "beams=3"], "where OPTION is one of beam"),
        ([TRANSLATOR, "--set", "prefix=Ein"], "where OPTION is one of beam"),
        ([TRANSLATOR, "--set", "beam=2", "--set", "n_best=3"], "n_best"),
    ],
)
def test_wrong_arguments_are_refused_before_loading(never_loaded, tmp_path, words, message, capsys):
    assert main(["export", *words, "-o", str(tmp_path / "it")]) == 2
    said = capsys.readouterr().err
    assert message in said and "\nnext: " in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
@pytest.mark.parametrize(
    "name, message", [("", "a new or empty directory"), ("it.onnx", "The output is a directory")]
)
def test_wrong_output_is_refused_before_loading(never_loaded, tmp_path, name, message, capsys):
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
def test_export_prints_size_and_check(saved, tmp_path, capsys):
    output = tmp_path / "classifier"
    assert main(["export", str(saved), "-o", str(output)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{output}: saved_model, ")
    assert second.startswith("checked on 100 texts: equal answers, largest difference of a")
    description = json.loads((output / "assets.extra" / "model.json").read_text("utf-8"))
    assert (description["name"], description["licence"]) == ("tiny", "CC0-1.0")


@on_tensorflow
def test_different_answers_fail_and_leave_no_files(saved, tmp_path, monkeypatch, capsys):
    right = formats.SavedModel.load

    def load(directory):
        run = right(directory)
        return lambda batch: {"probabilities": run(batch)["probabilities"][:, ::-1]}

    monkeypatch.setattr(formats.SavedModel, "load", load)
    assert main(["export", str(saved), "-o", str(tmp_path / "classifier")]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "give different answers" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(keras.config.backend() == "tensorflow", reason="TensorFlow is supported")
def test_process_on_another_backend_is_refused(saved, tmp_path, capsys):
    assert main(["export", str(saved), "-o", str(tmp_path / "classifier")]) == 2
    assert f"Keras runs on {keras.config.backend()}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
