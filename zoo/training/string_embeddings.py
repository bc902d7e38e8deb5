"""Language models of characters whose states are features of words (`model.language_models`)."""

import time
from collections.abc import Sequence
from typing import cast

import keras
import numpy as np

from zoo.models import CausalLM, CausalLMBackbone
from zoo.models.batching import predict, run_batches
from zoo.models.token_classifier import ContextualTokenClassifierPreprocessor
from zoo.models.token_classifier.string_embeddings import string_embeddings
from zoo.tokenizers import CharacterTokenizer
from zoo.training import pretrained
from zoo.training.display import Display
from zoo.training.language_models import check_directions

MAX_STATES = 1 << 31  # numbers that are kept, which take 4 GB
BATCH_SIZE, MIN_LENGTH = 64, 64  # sentences, and characters
KEY = "model.language_models"


def load_language_models(sources: Sequence[str]) -> list[CausalLM]:
    """Loads a language model of characters, or a forward and a backward one.

    Args:
        sources: Their names, as for `zoo.load`.

    Raises:
        ValueError: if one is no recurrent language model of characters, or they do not fit
            together.
    """
    models = [cast(CausalLM, pretrained.load(one, CausalLM, key=KEY)) for one in sources]
    for model, name in zip(models, sources, strict=True):
        tokenizer = model.preprocessor.tokenizer
        if type(tokenizer) is not CharacterTokenizer:
            raise ValueError(
                f"{KEY} must name language models of characters: train one with "
                "tokenizer.level=characters; one of words starts a tagger with "
                f"training.init_from. Received: {name!r}, with a {type(tokenizer).__name__}"
            )
        if not model.backbone.carries_state:
            raise ValueError(
                f"{KEY} must name recurrent language models, which read a sentence of any length: "
                f"train one with model.decoder=lstm. Received: {name!r}, a causal Transformer"
            )
    check_directions(models, sources, KEY)
    first, last = models[0].preprocessor, models[-1].preprocessor
    if first.tokenizer.get_vocabulary() != last.tokenizer.get_vocabulary():
        different = set(first.tokenizer.get_vocabulary()) ^ set(last.tokenizer.get_vocabulary())
        raise ValueError(
            "A forward and a backward language model must have the same characters: train both on "
            f"the same data. Received: {', '.join(map(repr, sources))}; one of them lacks "
            f"{', '.join(map(repr, sorted(different)[:10]))}"
        )
    if first.start != last.start:
        raise ValueError(
            "A forward and a backward language model must read the same token before a text: train "
            f"both with the same data.unit. Received: {first.start!r} and {last.start!r}"
        )
    return models


def unknown_share(models: Sequence[CausalLM], sentences: Sequence[Sequence[str]]) -> float:
    """The share of the characters of sentences that language models do not know."""
    tokenizer = models[0].preprocessor.tokenizer
    ids = [one for words in sentences for word in tokenizer.encode(words) for one in word]
    return ids.count(tokenizer.unk_token_id) / max(len(ids), 1)


def word_states(
    models: Sequence[CausalLMBackbone],
    preprocessor: ContextualTokenClassifierPreprocessor,
    sentences: Sequence[Sequence[str]],
    display: Display,
) -> list[np.ndarray] | None:
    """The states of language models at each word of sentences, to train on in each epoch.

    Args:
        models: The language models.
        preprocessor: The preprocessor of the tagger.
        sentences: The words of each sentence.
        display: Shows the progress.

    Returns:
        For each sentence float16 `[words, units of all models]`; `None` if they would take more
        than 4 GB.
    """
    units = sum(model.units for model in models)
    if units * sum(map(len, sentences)) > MAX_STATES:
        return None
    inputs = [keras.Input((len(models), None), dtype="int32") for _ in range(2)]
    reader = keras.Model(inputs, string_embeddings(list(models), *inputs))
    encoded = preprocessor.encode(sentences)
    begin, done = time.perf_counter(), 0
    display.say(f"reading {len(sentences):,} sentences by the language models")
    display.work("language models", len(sentences), done)

    def run(batch):
        nonlocal done
        x = preprocessor.collate(batch.take(encoded), batch.length)
        states = predict(reader, [x["text_ids"], x["text_places"]]).astype("float16")
        done += len(batch.rows)
        display.batch(done, None)
        return [states[i, : len(sentences[row])] for i, row in enumerate(batch.rows)]

    lengths = list(map(preprocessor.length, encoded))
    empty = np.zeros((0, units), "float16")
    states = run_batches(run, lengths, BATCH_SIZE, MIN_LENGTH, empty)
    seconds = time.perf_counter() - begin
    speed = f"{sum(lengths) / seconds:,.0f} characters/s"
    display.say(f"read them in {seconds:.1f} s, {speed}")
    return states


def pad_states(states: Sequence[np.ndarray], length: int) -> np.ndarray:
    """The states of a batch of sentences, padded with zeros: float32 `[batch, length, units]`."""
    padded = np.zeros((len(states), length, states[0].shape[1]), "float32")
    for row, one in zip(padded, states, strict=True):
        row[: len(one)] = one
    return padded
