"""A sequence-to-sequence model that reads characters and writes symbols."""

import numpy as np
import pytest

import zoo
from tests.weights import assign_normal
from zoo import presets
from zoo.models import Seq2SeqLM, Seq2SeqLMBackbone, Seq2SeqLMPreprocessor
from zoo.tokenizers import (
    CharacterTokenizer,
    SymbolTokenizer,
    train_character_tokenizer,
    train_symbol_tokenizer,
)

pytestmark = pytest.mark.once

WORDS = ["cat", "cats", "it's", "act"]
PHONES = ["K AE1 T", "K AE1 T S", "IH1 T S", "AE1 K T"]


@pytest.fixture(scope="module")
def model():
    preprocessor = Seq2SeqLMPreprocessor(
        train_symbol_tokenizer(PHONES), 12, 12, train_character_tokenizer(WORDS), lowercase=True
    )
    backbone = Seq2SeqLMBackbone(
        preprocessor.tokenizer.vocabulary_size(),
        source_vocabulary_size=preprocessor.source_vocabulary_size(),
        embedding_dim=8,
        units=8,
        attention="transformer",
        num_layers=1,
        num_heads=2,
        tie_embeddings="output",
    )
    model = Seq2SeqLM(backbone, preprocessor)
    assign_normal(sorted(model.trainable_weights, key=lambda it: it.path), scale=1.5)
    return model


def test_answers_are_symbols_and_capitals_do_not_matter(model):
    small, large, empty = model.infer(["cat", " CAT", ""], beam=2, prefix="IH1  T")
    assert small == large and small.text.startswith("IH1 T") and empty.text == ""
    with pytest.raises(ValueError, match="does not know EH1. Received: prefix='IH1 EH1'"):
        model.infer(["cat"], prefix="IH1 EH1")
    assert "S" not in model.infer(["cats"], forbidden=["S"])[0].text.split()


def test_unknown_characters_are_named(model):
    with pytest.warns(UserWarning, match="does not know these characters.*: 'z', ' ', '東'$"):
        model.infer(["zz cat", "東"])


def test_scores_are_error_rates_with_variants(model):
    (answer,) = model.infer(["cat"])
    columns = {"source": ["cat", "cat"], "target": ["T S", answer.text]}
    scores = model.score(columns)
    assert scores["word_error_rate"] == 0 == scores["phone_error_rate"]
    assert "bleu" not in scores and np.isfinite(scores["perplexity"])
    assert model.score({"source": ["cat"], "target": ["T S"]})["word_error_rate"] == 100


def test_letters_are_explained_one_by_one(model):
    found = model.explain("Cats")
    (answer,) = model.infer(["cats"])
    assert found.source == ["c", "a", "t", "s", "</s>"]
    assert [phone.strip() for phone in found.target if phone != "</s>"] == answer.text.split()
    assert np.shape(found.weights) == (len(found.target), 5)
    assert "of a written symbol (in nats) loses without the character" in found.measured


def test_preset_keeps_both_tokenizers(model, tmp_path):
    presets.save(model, tmp_path / "it", name="it", dataset="words", dtype="float32")
    stored = {path.relative_to(tmp_path / "it").as_posix() for path in tmp_path.rglob("*.json")}
    assert {
        "assets/tokenizer/symbols.json",
        "assets/source_tokenizer/characters.json",
    } <= stored
    again = zoo.load(str(tmp_path / "it"))
    preprocessor = again.preprocessor
    assert type(preprocessor.tokenizer) is SymbolTokenizer and preprocessor.lowercase
    assert type(preprocessor.source_tokenizer) is CharacterTokenizer
    assert again.infer(["Cat", "it's"]) == model.infer(["Cat", "it's"])


def test_kerashubs_generate_reads_and_writes_the_same(model):
    written = model.generate("Cats", max_length=12)
    (answer,) = model.infer(["cats"], beam=1, max_length=12)
    assert written.split()[: len(answer.text.split())] == answer.text.split()
