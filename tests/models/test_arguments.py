"""Arguments that every task checks: options of `infer`, columns of `score`, names of classes."""

import functools
import inspect
import warnings
from dataclasses import fields

import numpy as np
import pytest

from tests.models import (
    test_image_to_text,
    test_seq2seq_lm,
    test_speech_to_text,
    test_token_classifier,
)
from zoo.models import (
    ImageToText,
    Seq2SeqLM,
    SpeechToText,
    TextClassifier,
    TextClassifierBackbone,
    TextClassifierPreprocessor,
    TokenClassifier,
)
from zoo.models.batching import rows_within
from zoo.models.generation import SearchOptions
from zoo.search_options import TranscriptionOptions
from zoo.tokenizers import train_subword_tokenizer

pytestmark = pytest.mark.once

TEXTS = ["one two three", "three two"]
PICTURES = list(test_image_to_text.PICTURES[:2])


def make_text_classifier():
    tokenizer = train_subword_tokenizer(TEXTS * 20, 300)
    backbone = TextClassifierBackbone(tokenizer.vocabulary_size(), "gru", 4, 4)
    return TextClassifier(backbone, TextClassifierPreprocessor(tokenizer, sequence_length=24))


MAKERS = {
    TextClassifier: make_text_classifier,
    TokenClassifier: functools.partial(test_token_classifier.make, "words alone"),
    Seq2SeqLM: lambda: test_seq2seq_lm.make(test_seq2seq_lm.make_preprocessor(), "none"),
    ImageToText: lambda: test_image_to_text.make(test_image_to_text.make_preprocessor(), "none"),
    SpeechToText: lambda: test_speech_to_text.make("none"),
}
INPUTS = {TextClassifier: TEXTS, TokenClassifier: TEXTS, Seq2SeqLM: TEXTS, ImageToText: PICTURES}
INPUTS[SpeechToText] = test_speech_to_text.RECORDINGS[:2]
COLUMNS = {
    TextClassifier: ("text", "label"),
    TokenClassifier: ("tokens", "tags", "intent"),
    Seq2SeqLM: ("source", "target"),
    ImageToText: ("image", "captions"),
    SpeechToText: ("audio", "text"),
}
SEARCHING = (Seq2SeqLM, ImageToText, SpeechToText)
every_task = pytest.mark.parametrize("task", MAKERS)
searching_tasks = pytest.mark.parametrize("task", SEARCHING)


@pytest.fixture(scope="module")
def models():
    return functools.cache(lambda task: MAKERS[task]())


@every_task
def test_no_inputs_have_no_answers(models, task):
    assert models(task).infer([]) == []


@every_task
def test_score_needs_rows(models, task):
    with pytest.raises(ValueError, match="at least one row; choose a split.*Received"):
        models(task).score({name: [] for name in COLUMNS[task]})


@every_task
def test_score_names_missing_and_unequal_columns(models, task):
    first, second, *_ = COLUMNS[task]
    with pytest.raises(ValueError, match=f"needs the columns.*add .'{second}'.. Received"):
        models(task).score({first: []})
    columns = {name: ["a"] for name in COLUMNS[task]} | {second: ["a", "b"]}
    with pytest.raises(ValueError, match=f"as many rows each. Received.*'{second}': 2"):
        models(task).score(columns)


@every_task
@pytest.mark.parametrize("value", [0, 1.5, "3", [2]])
def test_invalid_integers_raise(models, task, value):
    """A wrong type is named as a wrong value is, also where there is nothing to run."""
    model = models(task)
    names = {"batch_size"} | {"n_best", "beam", "max_length"} & set(
        inspect.signature(model.infer).parameters
    )
    for name in names:
        for inputs in ([], INPUTS[task]):
            with pytest.raises(ValueError, match=f"`{name}` must be an integer.*Received: {name}="):
                model.infer(inputs, **{name: value})
    with pytest.raises(ValueError, match="`batch_size` must be an integer"):
        model.score({name: ["a"] for name in COLUMNS[task]}, batch_size=value)


@searching_tasks
def test_a_coverage_penalty_needs_attention(models, task):
    model = models(task)
    assert model.backbone.attention == "none"
    for run in (model.infer, lambda inputs, **options: model.search(SearchOptions(**options))):
        with pytest.raises(ValueError, match="with attention.*coverage_penalty=0.2"):
            run([], coverage_penalty=0.2)


@searching_tasks
def test_unknown_options_raise(models, task):
    with pytest.raises(TypeError, match="'beem'"):
        models(task).infer([], beem=3)


def test_the_default_maximal_length_is_above_the_minimal(models):
    model = models(Seq2SeqLM)
    found = model.search(SearchOptions(beam=1, min_length=40))(
        *model._collate(model._encode(TEXTS), 16)
    )
    assert found.tokens.shape[-1] == 41 and (found.lengths == 41).all()


@searching_tasks
@pytest.mark.parametrize("method", ["infer", "score"])
def test_signatures_show_the_search_options(models, task, method):
    parameters = inspect.signature(getattr(models(task), method)).parameters
    options = TranscriptionOptions if task is SpeechToText else SearchOptions
    for field in fields(options):
        assert parameters[field.name].default == field.default
        assert f"        {field.name}: " in SearchOptions.__doc__ + options.__doc__
    assert not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": True}, "`beam` must be an integer of at least 1. Received: beam=True"),
        ({"n_best": 6}, "`n_best` must be at most `beam`. Received: n_best=6, beam=5"),
        ({"length_penalty": -1}, "`length_penalty` must be a finite number of at least 0"),
        ({"length_penalty": "1"}, "length_penalty='1'"),
        ({"coverage_penalty": float("nan")}, "coverage_penalty=nan"),
        ({"max_length": 3, "min_length": 3}, "larger than `min_length`. Received: max_length=3"),
        ({"min_length": -1}, "min_length=-1"),
        ({"no_repeat_ngram": None}, "no_repeat_ngram=None"),
    ],
)
def test_invalid_search_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        SearchOptions(**options)


def test_search_options_of_numpy_are_those_of_python():
    options = SearchOptions(beam=np.int64(3), length_penalty=np.float32(0.5))
    assert options == SearchOptions(beam=3, length_penalty=0.5)
    assert hash(options) == hash(SearchOptions(beam=3, length_penalty=0.5))


@every_task
def test_preprocessors_do_not_warn(models, task):
    inputs = {
        Seq2SeqLM: {"encoder_text": TEXTS, "decoder_text": TEXTS},
        ImageToText: {"images": PICTURES, "text": TEXTS},
        SpeechToText: {"audio": INPUTS[SpeechToText], "text": TEXTS},
    }.get(task, TEXTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models(task).preprocessor(inputs)  # called for the first time


@pytest.mark.parametrize("names", [("one",), ("same", "same"), "ab", (0, 1), None])
def test_names_of_classes_are_different_strings(models, names):
    with pytest.raises(ValueError, match="`labels` must be a list of at least 2 strings"):
        TextClassifier(models(TextClassifier).backbone, labels=names)
    if names != ("one",):
        backbone = models(TokenClassifier).backbone
        with pytest.raises(ValueError, match="`tags` must be a list of at least 1 strings"):
            TokenClassifier(backbone, tags=names)
        with pytest.raises(ValueError, match="`intents` must be a list of at least 0 strings"):
            TokenClassifier(backbone, tags=("A",), intents=names)


@pytest.mark.parametrize("languages", [("de",), ("en", "de", "fr"), "en", ("en", None), ()])
def test_languages_are_a_pair(models, languages):
    with pytest.raises(ValueError, match="the source and the target language.*Received: lang"):
        Seq2SeqLM(models(Seq2SeqLM).backbone, languages=languages)


@every_task
def test_batches_are_bounded(models, task):
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at most 65,536"):
        models(task).infer(INPUTS[task], batch_size=10**9)


@pytest.mark.parametrize("task", [TextClassifier, TokenClassifier, Seq2SeqLM])
def test_half_of_a_surrogate_pair_is_refused(models, task):
    model = models(task)
    columns = {name: ["a \ud800"] for name in COLUMNS[task]}
    if task is TokenClassifier:
        columns |= {"tokens": [["a", "\ud800"]], "tags": [["O", "O"]]}
        columns["intent"] = [model.intents[0]] if model.intents else ["a"]
    for ask in (
        lambda: model.infer(["fine", "\ud800"]),
        lambda: model.explain("a \ud800"),
        lambda: model.score(columns),
    ):
        with pytest.raises(ValueError, match=r"must be valid Unicode.*Received: '.ud800'"):
            ask()


def test_sentences_of_a_tagger_are_bounded(models, monkeypatch):
    model = models(TokenClassifier)
    limit = r"at most 16,384 words in this model. Split.*Received: sentences\[1\] with 20,000 words"
    for sentence in (["word"] * 20_000, "word " * 20_000):
        with pytest.raises(ValueError, match=limit):
            model.infer(["short", sentence])
    monkeypatch.setattr(model.backbone, "attention", "multi_head")
    with pytest.raises(ValueError, match="at most 4,096 words"):
        model.infer([["word"] * 5000])
    monkeypatch.setattr(model.preprocessor.tokenizer, "unit", "characters", raising=False)
    for sentences, message in (
        ([["a"] * 5000], "at most 4,096 characters.* tagged characters.* with 5,000 characters"),
        ([7], "must be strings or lists of characters"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            model.infer(sentences)


def test_n_best_of_a_tagger_is_bounded(models):
    with pytest.raises(ValueError, match="`n_best` must be an integer of at most 1,024"):
        models(TokenClassifier).infer(TEXTS, n_best=10**6)


def test_a_wide_beam_is_run_in_small_batches(models):
    model = models(Seq2SeqLM)
    assert rows_within(64, 5 * 16_000) == 64  # 20 MB a step
    assert rows_within(64, 1024 * 16_000) == 4
    assert rows_within(64, 10**9) == 1
    vocabulary = model.backbone.vocabulary_size
    rows = model.rows_within(65_536, SearchOptions(beam=1000))
    assert rows == (1 << 26) // (1000 * vocabulary)
