"""Writes the continuations of prefixes: programs that read, search, draw, and write in pieces."""

import functools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops

from zoo.decoding import Hypotheses, beam_search, compiled, sample, token_table
from zoo.decoding.blocking import LOWEST
from zoo.decoding.draws import draw_arguments, draw_kind, random_numbers, sampler_of
from zoo.decoding.sampling import greedy
from zoo.models.batching import bucket_size, pad
from zoo.models.checks import require_preprocessor
from zoo.sampling_options import DEFAULT_LENGTH, SamplingOptions

SEGMENT = 256  # most tokens of a prefix that are read at a time


class Writer:
    """The programs of one model; each is compiled once for each shape, and kept.

    Args:
        model: A `CausalLM` with a preprocessor.
    """

    def __init__(self, model):
        self.model = model
        self.end_id = model.preprocessor.end_token_id
        tokenizer = model.preprocessor.tokenizer
        special = {tokenizer.pad_token_id, tokenizer.unk_token_id}
        special.add(getattr(tokenizer, "start_token_id", self.end_id))
        self.never = sorted(special - {self.end_id})  # tokens that stand for no text
        self.pad_id = tokenizer.pad_token_id
        self._programs: dict[Any, Any] = {}

    def write(
        self,
        prefixes: Sequence[Sequence[int]],
        rows: Sequence[int],
        options: SamplingOptions,
        max_length: int,
        seed: int,
    ) -> Hypotheses:
        """Continues prefixes, each of at least one token.

        Args:
            prefixes: The token ids of each, with the start token.
            rows: Their places in the input, of which each has other random numbers.
            options: A `SamplingOptions`.
            max_length: int. Most tokens to write.
            seed: int.

        Returns:
            `zoo.decoding.Hypotheses` of NumPy arrays, with one for each prefix.
        """
        state, last = self.read(prefixes, max_length)
        kind = draw_kind(options)
        uniform = np.stack([random_numbers(seed, row, max_length) for row in rows])
        program = self._program(self._write, options.beam, kind, max_length)
        found = program(state, last, *draw_arguments(options, kind, uniform))
        return Hypotheses(*(x if x is None else ops.convert_to_numpy(x) for x in found))

    def _program(self, function, *settings):
        """A function with settings, compiled; of several threads that ask, the first compiles."""
        key = function.__name__, *settings
        if key not in self._programs:
            run = compiled(functools.partial(function, *settings), layers=[self.model])
            self._programs.setdefault(key, run)
        return self._programs[key]

    def _write(self, beam, kind, max_length, state, last, *numbers):
        shared = {
            "forbidden": token_table([[token] for token in self.never]),
            "pad_id": self.pad_id,
        }
        arguments = self._step, state, last.shape[0], last, self.end_id, max_length
        if beam is not None:
            return beam_search(*arguments, beam=beam, **shared)
        return sample(*arguments, sampler=sampler_of(kind, numbers), **shared)

    def stream(
        self, prefix: Sequence[int], options: SamplingOptions, max_length: int, seed: int
    ) -> Iterator[int]:
        """The tokens of one continuation, as they are chosen; the same as `write` chooses.

        Args:
            prefix: The token ids, with the start token.
            options, max_length, seed: See `write`.
        """
        state, last = self.read([prefix], max_length)
        kind = draw_kind(options)
        program = self._program(self._next, kind)
        for number in random_numbers(seed, 0, max_length):
            last, state = program(state, last, *draw_arguments(options, kind, number.reshape(1, 1)))
            token = int(ops.convert_to_numpy(last)[0])
            yield token
            if token == self.end_id:
                return

    def _next(self, kind, state, last, *numbers):
        logits, state, _ = self._step(last, state, 0)
        logits = ops.cast(logits, "float32")
        never = np.isin(np.arange(logits.shape[-1]), self.never)
        sampler = sampler_of(kind, numbers)
        choose = greedy if isinstance(sampler, str) else sampler.choose
        _, tokens = choose(logits, ops.where(never[None, :], LOWEST, logits), 0)
        return tokens, state

    def _step(self, tokens, state, index):
        logits, state = self.model.call_with_state(tokens[:, None], state)
        return logits[:, 0], state, None

    def read(self, prefixes: Sequence[Sequence[int]], max_length: int = 0) -> tuple[Any, Any]:
        """The state of the model before the last token of each prefix, and these tokens.

        Args:
            prefixes: The token ids of each, at least one.
            max_length: int. How many tokens will be read after them. Defaults to `0`.
        """
        backbone = self.model.backbone
        longest = max(len(ids) for ids in prefixes) - 1
        length = (
            bucket_size(longest, 16) if longest <= SEGMENT else -(-longest // SEGMENT) * SEGMENT
        )
        ids, mask = pad([ids[:-1] for ids in prefixes], length, self.pad_id)
        capacity = min(bucket_size(longest + max_length), backbone.max_sequence_length)
        capacity = max(capacity, length)  # padding has a place too
        state = backbone.initial_state(len(prefixes), max_length=capacity)
        if longest:
            for start in range(0, length, SEGMENT):
                part = slice(start, start + SEGMENT)
                state = self._reader(ids[:, part], mask[:, part], state)
        return state, np.array([ids[-1] for ids in prefixes], "int32")

    @functools.cached_property
    def _reader(self):
        def read(token_ids, padding_mask, state):
            return self.model.backbone.call_with_state(token_ids, state, padding_mask)[1]

        return compiled(read, layers=[self.model.backbone], xla=False)


def encode_prefixes(preprocessor: Any, prefixes: Sequence[str]) -> list[list[int]]:
    """Token ids of each prefix, after the start token.

    Raises:
        ValueError: if the model reads backward, or the tokenizer has no token for a character. Of
            unknown words, which have one, it warns.
    """
    require_preprocessor(preprocessor).check_forward(prefixes)
    encoded = preprocessor.encode(prefixes)
    tokenizer = preprocessor.tokenizer
    for prefix, ids in zip(prefixes, encoded, strict=True):
        if tokenizer.unk_token_id not in ids:
            continue
        if not hasattr(tokenizer, "unknown_words"):
            characters = ", ".join(map(repr, tokenizer.unknown_characters(prefix)))
            raise ValueError(
                "A prefix must have characters that the model knows: leave out or replace "
                f"{characters}. Received: {prefix!r}"
            )
        if words := tokenizer.unknown_words(prefix):
            warnings.warn(
                "The model reads words that it does not know as <unk>. "
                f"Received: {', '.join(words[:10])}",
                stacklevel=3,
            )
    return [[preprocessor.start_token_id, *ids] for ids in encoded]


def room(backbone: Any, longest: int, bucket: int, max_length: int | None) -> int:
    """The most tokens to write after prefixes, by the option and the positions of a Transformer.

    Args:
        backbone: A `CausalLMBackbone`.
        longest: int. Tokens of the longest prefix, the start token included.
        bucket: int. The length that prefixes are padded to, on which none of them has an effect.
        max_length: The option, or `None`.

    Raises:
        ValueError: if there are not enough positions.
    """
    if backbone.carries_state:
        return max_length or DEFAULT_LENGTH
    positions, length = backbone.max_sequence_length, max_length
    if length is None:
        left = positions - (bucket if bucket < positions else longest - 1)
        length = min(DEFAULT_LENGTH, left)
    if length < 1 or longest + length - 1 > positions:
        raise ValueError(
            f"This Transformer has {positions:,} positions for the prefix and `max_length` "
            "together: shorten one of them. Received: a prefix of "
            f"{longest - 1:,} tokens, max_length={max_length}"
        )
    return length


def text_after(tokenizer: Any, before: Sequence[int], token_ids: Sequence[int]) -> str:
    """The text of tokens after others, with the space that belongs between them."""
    pieces = tokenizer.readable(map(tokenizer.id_to_token, [*before, *token_ids]))
    return "".join(pieces[len(before) :])
