"""Inputs of every padded length, with which a server compiles a model before it is ready."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from zoo.models.batching import bucket_size
from zoo.models.token_classifier import ContextualTokenClassifierPreprocessor

MAX_WORDS = 256  # longer texts are compiled when the first one arrives
MAX_SECONDS = 8  # of a recording
WORD = "a"


def warm_up_inputs(model: Any, kind: str, max_inputs: int) -> Iterator[list[Any]]:
    """Lists of inputs, one for each shape of a batch up to limits.

    Args:
        model: A task model with its preprocessor.
        kind: What `infer` takes: `"text"`, `"words"`, `"image"` or `"audio"`.
        max_inputs: int. Most inputs of a batch.
    """
    rows = [1 << n for n in range(bucket_size(max_inputs).bit_length())]
    for example in _examples(model, kind):
        for count in rows:
            yield [example] * min(count, max_inputs)


def _examples(model, kind):
    if kind == "image":
        yield np.zeros((*model.preprocessor.size, 3), "uint8")
    elif kind == "audio":
        rate = model.backbone.sampling_rate
        seconds = 0.25
        while seconds <= MAX_SECONDS:
            yield np.random.default_rng(0).normal(0, 0.01, int(rate * seconds)).astype("float32")
            seconds *= 2
    else:
        longest = min(_longest(model.preprocessor), MAX_WORDS)
        lengths = [1 << n for n in range(3, bucket_size(longest).bit_length())]
        for length in dict.fromkeys(min(length, longest) for length in lengths):
            # With an end token and the pieces of longer words, still within the power of two.
            text = " ".join([WORD] * max(1, length * 3 // 4))
            yield text
            if isinstance(model.preprocessor, ContextualTokenClassifierPreprocessor):
                yield text.replace(" ", WORD)  # as many characters are padded to fewer words


def _longest(preprocessor) -> int:
    for name in ("sequence_length", "encoder_sequence_length"):
        if found := getattr(preprocessor, name, None):
            return int(found)
    return MAX_WORDS
