"""Log-probabilities of the tokens of texts, read in segments of bounded memory."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops

from zoo.decoding import compiled
from zoo.models.batching import Batch, bucket_size, pad, rows_within, run_batches
from zoo.models.causal_lm.cache import ContinuousCache

SEGMENT = 128  # tokens that are read at a time
MIN_LENGTH = 16


class Scorer:
    """The program of one model that scores a segment; it is compiled once for each shape.

    Args:
        model: A `CausalLM` with a preprocessor.
        cache: A `ContinuousCache`. Defaults to `None`.
    """

    def __init__(self, model, cache: ContinuousCache | None = None):
        self.model = model
        self.cache = cache
        self._run = compiled(self.segment, layers=[model], xla=False)

    def segment(self, token_ids, labels, mask, state, cache_state):
        """The log-probabilities of the labels of a segment.

        Args:
            token_ids: int32 tensor `[batch, time]`.
            labels: int32 tensor `[batch, time]`: the token after each.
            mask: Boolean tensor `[batch, time]`, false at padding.
            state: The state of the model.
            cache_state: That of the cache, or `None`.

        Returns:
            A tuple: float32 `[batch, time]`, and the two states after the segment.
        """
        hidden, state = self.model.backbone.call_with_state(token_ids, state, padding_mask=mask)
        found = label_log_probabilities(self.model.head(hidden), labels)
        if self.cache is not None:
            found, cache_state = self.cache.mix(found, hidden, labels, cache_state, mask)
        return found, state, cache_state

    def initial_states(self, rows: int, length: int) -> tuple[Any, Any]:
        """The states of the model and the cache before a text.

        Args:
            rows: int.
            length: int. The most tokens that will be read.
        """
        backbone = self.model.backbone
        length = min(length, backbone.max_sequence_length)
        cache_state = None if self.cache is None else self.cache.start(rows, backbone.units)
        return backbone.initial_state(rows, max_length=length), cache_state

    def log_probabilities(
        self, encoded: Sequence[Sequence[int]], batch_size: int, reset_every: int | None = None
    ) -> list[np.ndarray]:
        """The log-probability of each token of each text, and of its end.

        Args:
            encoded: Token ids of the texts, without start and end.
            batch_size: int. Most texts in a batch.
            reset_every: int. Forget what was read after so many tokens. Defaults to `None`: never,
                or in a Transformer, whose positions are limited, what is too far back.

        Returns:
            For each text float32 `[tokens + 1]`.
        """
        preprocessor = self.model.preprocessor
        start, end = preprocessor.start_token_id, preprocessor.end_token_id
        whole = [[start, *ids, end] for ids in encoded]

        def run(batch: Batch):
            found = self._batch(batch.take(whole), batch.length, reset_every)
            return [found[i, : len(whole[row]) - 1] for i, row in enumerate(batch.rows)]

        size = rows_within(batch_size, SEGMENT * self.model.backbone.vocabulary_size)
        return run_batches(run, [len(ids) - 1 for ids in whole], size, MIN_LENGTH)

    def _batch(self, whole, length, reset_every):
        parts = list(windows(self.model.backbone, length, reset_every))
        width = parts[-1][2]  # not less than the length of the longest
        padding = self.model.preprocessor.tokenizer.pad_token_id
        ids, mask = pad([row[:-1] for row in whole], width, padding)
        labels, _ = pad([row[1:] for row in whole], width, padding)
        found, state, cache_state = [], None, None
        longest = max(len(row) for row in whole) - 1
        for begin, kept, end in parts:
            if kept >= longest:
                break
            if state is None or begin < kept or reset_every:
                state, fresh = self.initial_states(len(whole), end - begin)
                cache_state = fresh if cache_state is None else cache_state
            part = slice(begin, end)
            one, state, cache_state = self._run(
                ids[:, part], labels[:, part], mask[:, part], state, cache_state
            )
            found.append(ops.convert_to_numpy(one)[:, kept - begin :])
        return np.concatenate(found, axis=1)


def windows(
    backbone: Any, length: int, reset_every: int | None = None
) -> Iterator[tuple[int, int, int]]:
    """The segments of a text: where each begins, from where its tokens are scored, where it ends.

    The state of a recurrent decoder is carried from one to the next. A Transformer reads half a
    window before the tokens that are scored again, as their context.

    Args:
        backbone: A `CausalLMBackbone`.
        length: int. Tokens of the text, to which segments are rounded up.
        reset_every: int. The segments, where nothing is carried. Defaults to `None`.
    """
    longest = backbone.max_sequence_length
    if reset_every or backbone.carries_state:
        size = reset_every or SEGMENT
        size = min(size, bucket_size(length, MIN_LENGTH))
        size = size if backbone.carries_state else min(size, longest)
        for begin in range(0, length, size):
            yield begin, begin, begin + size
        return
    size = min(longest, bucket_size(length, MIN_LENGTH))
    yield 0, 0, size
    stride = max(size // 2, 1)
    for kept in range(size, length, stride):
        yield kept + stride - size, kept, kept + stride


def label_log_probabilities(logits: Any, labels: Any) -> Any:
    """The natural logarithm of the probability of each label, float32 `[batch, time]`."""
    logits = ops.cast(logits, "float32")
    chosen = ops.take_along_axis(logits, ops.cast(labels, "int32")[..., None], axis=-1)[..., 0]
    return chosen - ops.logsumexp(logits, axis=-1)
