"""Causal language model task."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.decoding.programs import built_once
from zoo.explain import Alignment, Surprisal
from zoo.layers.bias import Bias
from zoo.metrics import language_modeling_scores
from zoo.models.batching import bucket_size, rows_within, run_by_length
from zoo.models.causal_lm.answers import Continuation
from zoo.models.causal_lm.backbone import CausalLMBackbone
from zoo.models.causal_lm.cache import ContinuousCache
from zoo.models.causal_lm.dynamic_evaluation import DynamicEvaluation
from zoo.models.causal_lm.explaining import MIN_LENGTH, WritingExplainer
from zoo.models.causal_lm.preprocessor import CausalLMPreprocessor
from zoo.models.causal_lm.scoring import Scorer
from zoo.models.causal_lm.writing import Writer, encode_prefixes, room, text_after
from zoo.models.checks import (
    check_columns,
    check_texts,
    require_preprocessor,
)
from zoo.models.generation.prompts import continue_prompts
from zoo.sampling_options import SamplingOptions


@keras.saving.register_keras_serializable("zoo")
class CausalLM(keras_hub.models.CausalLM):
    """Predicts the next token of a text, and by feeding it back, writes.

    Inputs: those of the backbone. Output: the logits of the next token at each step, float32
    `[batch, time, vocabulary]`.

    Args:
        backbone: A `CausalLMBackbone`.
        preprocessor: A `CausalLMPreprocessor`, or `None`.
        cache: The `ContinuousCache` that suits the model, or its arguments as a dictionary: `score`
            measures with it too, and takes its arguments as defaults. Defaults to `None`.

    Example:

    >>> model = zoo.load("lstm_shakespeare_char")
    >>> print(model.infer(["ROMEO:"], temperature=0.8, seed=1)[0].text)

    References:
        - One matrix for input and output: Press and Wolf 2017.
    """

    backbone_cls = CausalLMBackbone
    preprocessor_cls = CausalLMPreprocessor

    def __init__(self, backbone, preprocessor=None, cache=None, **kwargs):
        if preprocessor is not None and not backbone.carries_state:
            length, positions = preprocessor.sequence_length, backbone.max_sequence_length
            if length is not None and length > positions:
                raise ValueError(
                    "A Transformer reads no more tokens than it has positions: set the "
                    f"preprocessor's sequence_length to at most {positions}. "
                    f"Received: sequence_length={length}"
                )

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        dtype = backbone.dtype_policy
        self.projection: Any = None
        self.output_bias: Any = None
        self.output_dense: Any = None
        if not backbone.tie_embeddings:
            self.output_dense = keras.layers.Dense(
                backbone.vocabulary_size, dtype=dtype, name="logits"
            )
        else:
            if backbone.embedding_dim != backbone.units:
                self.projection = keras.layers.Dense(
                    backbone.embedding_dim, use_bias=False, dtype=dtype, name="projection"
                )
            self.output_bias = Bias(dtype="float32", name="logits_bias")

        # === Functional graph ===
        inputs = backbone.input
        super().__init__(inputs=inputs, outputs=self.head(backbone(inputs)), **kwargs)

        # === Config ===
        self.cache = ContinuousCache(**cache) if isinstance(cache, dict) else cache

    def get_config(self):
        return super().get_config() | {"cache": None if self.cache is None else asdict(self.cache)}

    def head(self, hidden):
        """The logits of the next token, `[..., vocabulary]`, of hidden states `[..., units]`."""
        if self.output_dense is not None:
            return self.output_dense(hidden)
        if self.projection is not None:
            hidden = self.projection(hidden)
        return self.output_bias(self.backbone.token_embedding(hidden, reverse=True))

    def call_with_state(self, token_ids, state, padding_mask=None, training=None):
        """As `call_with_state` of the backbone, with logits in the place of hidden states."""
        hidden, state = self.backbone.call_with_state(token_ids, state, padding_mask, training)
        return self.head(hidden), state

    def infer(
        self,
        prefixes: Iterable[str],
        max_length: int | None = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        beam: int | None = None,
        seed: int | None = None,
        batch_size: int = 64,
    ) -> list[Continuation]:
        """Continues prefixes. An empty one begins a text: the model reads the start token alone.

        Args:
            prefixes: A list of texts.
            max_length, temperature, top_k, top_p, beam, seed: See
                `zoo.sampling_options.SamplingOptions`.
            batch_size: int. Most prefixes in a batch. Defaults to `64`.

        Returns:
            A `Continuation` for each prefix, in order. With a seed it is always the same, whatever
            the batch; equal prefixes have different ones.

        Raises:
            TypeError: if `prefixes` is not a list of strings.
            ValueError: if an option is out of its range, the model has no token for a character of
                a prefix, or the positions of a Transformer do not suffice.
        """
        options = SamplingOptions(max_length, temperature, top_k, top_p, beam, seed)
        encoded = encode_prefixes(self.preprocessor, check_texts(prefixes))
        seed = secrets.randbits(62) if seed is None else seed

        def run(batch):
            taken = batch.take(encoded)
            rows = batch.take(range(len(encoded)))
            length = room(self.backbone, max(map(len, taken)), batch.length, options.max_length)
            found = self._writer.write(taken, rows, options, length, seed)
            return [
                self._continuation(taken[i], found.tokens[i, 0, : found.lengths[i, 0]],
                                   float(found.log_probabilities[i, 0]))
                for i in range(len(batch.rows))
            ]  # fmt: skip

        size = rows_within(batch_size, (beam or 1) * self.backbone.vocabulary_size)
        lengths = [len(ids) for ids in encoded]
        if not self.backbone.carries_state and max_length is None:
            longest = bucket_size(max(lengths, default=1), MIN_LENGTH)
            if longest >= self.backbone.max_sequence_length:
                size = 1  # each writes as much as its own length leaves
        return run_by_length(run, lengths, size, MIN_LENGTH, None)

    def stream(
        self,
        prefix: str,
        max_length: int | None = None,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """The pieces of one continuation, as they are written; they join to the text of `infer`.

        Args:
            prefix: A text.
            max_length, temperature, top_k, top_p, seed: See `infer`.

        Example:

        >>> for piece in model.stream("ROMEO:", temperature=0.8):
        ...     print(piece, end="", flush=True)
        """
        options = SamplingOptions(max_length, temperature, top_k, top_p, None, seed)
        (ids,) = encode_prefixes(self.preprocessor, check_texts([prefix]))
        length = room(self.backbone, len(ids), bucket_size(len(ids), MIN_LENGTH), max_length)
        seed = secrets.randbits(62) if seed is None else seed
        return self._pieces(ids, self._writer.stream(ids, options, length, seed))

    def _pieces(self, prefix, tokens):
        pending, last = [], prefix[-1:] if len(prefix) > 1 else []
        for token in tokens:
            if token == self.preprocessor.end_token_id:
                return
            pending.append(token)
            # Nothing is written of a character that takes several tokens before its last.
            if piece := text_after(self.preprocessor.tokenizer, last, pending):
                yield piece
                pending, last = [], [token]

    @built_once
    def _writer(self):
        return Writer(self)

    def _continuation(self, prefix, token_ids, log_probability):
        ids = [int(token) for token in token_ids]
        is_ended = ids[-1:] == [self.preprocessor.end_token_id]
        text = text_after(
            self.preprocessor.tokenizer,
            prefix[-1:] if len(prefix) > 1 else [],
            ids[: len(ids) - is_ended],
        )
        return Continuation(text, log_probability, len(ids), "end" if is_ended else "length")

    def token_log_probabilities(
        self,
        texts: Iterable[str],
        batch_size: int = 64,
        cache: ContinuousCache | None = None,
        dynamic: DynamicEvaluation | None = None,
    ) -> list[np.ndarray]:
        """The log-probability of each token of texts and of their ends, in nats.

        Each text is read from its start, in segments of bounded memory, whatever its length: a
        recurrent model carries its state from one to the next; a Transformer reads each segment
        after one half of its positions of context.

        Args:
            texts: A list of texts.
            batch_size: int. Most texts in a batch. Defaults to `64`.
            cache: A `ContinuousCache` to mix in. Defaults to `None`.
            dynamic: A `DynamicEvaluation`, which learns from the texts in order. Defaults to
                `None`.

        Returns:
            For each text float32 `[tokens + 1]`, in the order in which the model reads.

        Raises:
            TypeError: if `texts` is not a list of strings.
            ValueError: if a cache or dynamic evaluation is asked of a Transformer.
        """
        return self._log_probabilities(self._encode(texts), batch_size, cache, dynamic)

    def _encode(self, texts):
        return require_preprocessor(self.preprocessor).encode(check_texts(texts))

    def _log_probabilities(self, encoded, batch_size, cache=None, dynamic=None, reset_every=None):
        if (cache or dynamic) and not self.backbone.carries_state:
            raise ValueError(
                "A continuous cache and dynamic evaluation are for recurrent models, which carry a "
                f"state through a text. Received: decoder={self.backbone.decoder!r}"
            )
        if dynamic:
            return dynamic.log_probabilities(self, encoded, cache)
        if cache not in self._scorers:
            self._scorers.setdefault(cache, Scorer(self, cache))
        return self._scorers[cache].log_probabilities(encoded, batch_size, reset_every)

    @built_once
    def _scorers(self):
        return {}

    def score(
        self,
        columns: dict[str, list],
        batch_size: int = 64,
        carried_state_only: bool = False,
        cache: bool = False,
        cache_size: int | None = None,
        cache_theta: float | None = None,
        cache_lambda: float | None = None,
        dynamic: bool = False,
        dynamic_rate: float = 0.1,
        dynamic_decay: float = 0.001,
        dynamic_segment: int = 20,
    ) -> dict[str, float]:
        """Scores of the predictions of texts.

        Args:
            columns: `"text"`: a list of strings, which are read one by one from their start.
            batch_size: int. Most texts in a batch. Defaults to `64`.
            carried_state_only: bool. Whether to leave out `perplexity_without_state`. Defaults to
                `False`.
            cache: bool. Whether to mix in a `ContinuousCache`. Defaults to `False`.
            cache_size, cache_theta, cache_lambda: Its size, theta and weight. Default to `None`:
                those of the model's own cache, or else of `ContinuousCache`.
            dynamic: bool. Whether to go on learning from the texts, in order, by
                `DynamicEvaluation`. Defaults to `False`.
            dynamic_rate, dynamic_decay, dynamic_segment: Its rate, decay and segment.

        Returns:
            The scores of `zoo.metrics.language_modeling_scores`: `perplexity` with the state
            carried through each text; of a recurrent model without cache and dynamic evaluation
            also `perplexity_without_state`, with the state forgotten after each
            `sequence_length` tokens of the preprocessor; and of a model with a cache of its own
            `perplexity_with_cache` and `bits_per_character_with_cache`.

        Raises:
            ValueError: if the column is missing or has no rows, an option is out of its range, or
                a cache or dynamic evaluation is asked of a Transformer.
        """
        check_columns(columns, "text")
        texts = check_texts(columns["text"])
        given = {"size": cache_size, "theta": cache_theta, "weight": cache_lambda}
        given = {name: value for name, value in given.items() if value is not None}
        chosen = replace(self.cache or ContinuousCache(), **given) if cache else None
        learning = None
        if dynamic:
            learning = DynamicEvaluation(dynamic_rate, dynamic_decay, dynamic_segment)
        encoded = self._encode(texts)
        found = self._log_probabilities(encoded, batch_size, chosen, learning)
        without_state = with_cache = None
        if self.backbone.carries_state and not (carried_state_only or cache or dynamic):
            length = self.preprocessor.sequence_length
            without_state = _nats(self._log_probabilities(encoded, batch_size, reset_every=length))
            if self.cache is not None:
                with_cache = _nats(self._log_probabilities(encoded, batch_size, self.cache))
        return language_modeling_scores(
            _nats(found),
            tokens=sum(map(len, found)),
            characters=sum(len(text) + 1 for text in texts),
            words=sum(len(text.split()) + 1 for text in texts),
            nats_without_state=without_state,
            nats_with_cache=with_cache,
        )

    def explain(
        self, text: str, method: str | None = None, pieces: bool = False
    ) -> Surprisal | Alignment:
        """Surprisal of each token of a text, or the attention to earlier tokens.

        Args:
            text: str. One text.
            method: `"surprisal"`: how little the model expected each token. `"attention"`: the
                weights of the tokens read before, for each token that is predicted; of a model
                with attention to its past. Defaults to `None`: surprisal.
            pieces: bool. Whether to show the subwords of a word one by one. Defaults to `False`.

        Returns:
            A `zoo.explain.Surprisal`, or a `zoo.explain.Alignment` of the predicted tokens with
            the read ones, which `.save("map.png")` draws.

        Raises:
            TypeError: if `text` is not a string.
            ValueError: if it has no tokens, the method is unknown, or `"attention"` is asked of a
                model without, or of one that reads backward.

        References:
            - Surprisal: Hale 2001, "A probabilistic Earley parser as a psycholinguistic model".
        """
        return self._explanation.explain(text, method, pieces)

    @built_once
    def _explanation(self):
        return WritingExplainer(self)

    def generate_step(self, inputs, stop_token_ids=None):
        """Continues `token_ids` with KerasHub's sampler: one batch of `generate`."""
        token_ids, mask = inputs["token_ids"], inputs["padding_mask"]
        positions = self.backbone.max_sequence_length
        if not self.backbone.carries_state and token_ids.shape[1] > positions:
            raise ValueError(
                f"This Transformer has {positions:,} positions: set `max_length` to at most that. "
                f"Received: max_length={token_ids.shape[1]}"
            )
        state = self.backbone.initial_state(token_ids.shape[0], max_length=token_ids.shape[1])

        def next(prompt, state, index):
            last = ops.take(prompt, index - 1, axis=1)
            hidden, state = self.backbone.call_with_state(last[:, None], state)
            return self.head(hidden)[:, 0], hidden[:, 0], state

        token_ids, mask = continue_prompts(self, next, token_ids, mask, state, stop_token_ids)
        return {"token_ids": token_ids, "padding_mask": mask}


def _nats(log_probabilities: Sequence[Any]) -> float:
    """The sum of the negative log-probabilities of tokens."""
    return -float(sum(one.sum(dtype="float64") for one in log_probabilities))
