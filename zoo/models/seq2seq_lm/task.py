"""The translator: what a user holds."""

import functools
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import TYPE_CHECKING

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.decoding import beam_search, compiled
from zoo.models.seq2seq_lm.backbone import Seq2SeqLMBackbone
from zoo.models.seq2seq_lm.preprocessor import Seq2SeqLMPreprocessor
from zoo.models.texts import bucket, checked_texts, required

if TYPE_CHECKING:
    from zoo.explain import Alignment

SHORTEST_BATCH = 16  # tokens


@dataclass(frozen=True)
class Hypothesis:
    """One way to put it.

    Attributes:
        text: The text.
        score: What the search ranked it by: see `zoo.decoding.beam_search`.
        log_probability: Natural, of its tokens.
    """

    text: str
    score: float
    log_probability: float


@dataclass(frozen=True)
class Translation:
    """What the model makes of one text.

    Attributes:
        text: The best hypothesis' text.
        score: Its score.
        hypotheses: The `n_best`, best first.
    """

    text: str
    score: float
    hypotheses: list[Hypothesis]

    def to_dict(self) -> dict:
        return asdict(self)


@keras.saving.register_keras_serializable("zoo")
class Seq2SeqLM(keras_hub.models.Seq2SeqLM):
    """Reads a text and writes another: many-to-many.

    Args:
        backbone: A `Seq2SeqLMBackbone`.
        preprocessor: A `Seq2SeqLMPreprocessor`, or `None`.
        languages: The codes of the source and the target language, such as `("en", "de")`; the
            second decides how `score` cuts words. Defaults to `None`, not known.

    Example:

    >>> model = zoo.load("gru_bahdanau_multi30k_en_de")
    >>> model.infer(["A man rides a bike."], beam=5)
    """

    backbone_cls = Seq2SeqLMBackbone
    preprocessor_cls = Seq2SeqLMPreprocessor

    def __init__(self, backbone, preprocessor=None, languages=None, **kwargs):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.head = functools.partial(backbone.token_embedding, reverse=True)
        if backbone.tie_embeddings == "none":
            self.head = keras.layers.Dense(
                backbone.vocabulary_size, dtype=backbone.dtype_policy, name="logits"
            )

        # === Functional graph ===
        inputs = backbone.input
        logits = self.head(backbone(inputs)["decoder_sequence_output"])
        super().__init__(inputs=inputs, outputs=logits, **kwargs)

        # === Config ===
        self.languages = None if languages is None else tuple(languages)
        self._searches = {}

    def get_config(self):
        languages = None if self.languages is None else list(self.languages)
        return super().get_config() | {"languages": languages}

    def infer(
        self,
        texts: Iterable[str],
        beam: int = 5,
        length_penalty: float = 1.0,
        coverage_penalty: float = 0.0,
        n_best: int = 1,
        max_length: int | None = None,
        min_length: int = 0,
        no_repeat_ngram: int = 0,
        batch_size: int = 64,
    ) -> list[Translation]:
        """Translates texts.

        Args:
            texts: The texts, as a list. What is longer than the preprocessor's
                `encoder_sequence_length` is cut, with a warning.
            beam: int. Hypotheses kept at each step; `1` is greedy search. Defaults to `5`.
            length_penalty, coverage_penalty, n_best, min_length, no_repeat_ngram: See
                `zoo.decoding.beam_search`.
            max_length: int. Most tokens of a translation. Defaults to twice those of the source
                and no more than the preprocessor's `decoder_sequence_length`.
            batch_size: int. How many are run at once. Defaults to `64`.

        Returns:
            A `Translation` for each text, in order; an empty one for an empty text.

        Raises:
            TypeError: if something else than strings is given.
            ValueError: if a number is out of its range.
        """
        search = self._search(
            beam, n_best, length_penalty, coverage_penalty, max_length, min_length, no_repeat_ngram
        )
        encoded = self._encode(texts)
        nothing = Translation("", 0.0, [Hypothesis("", 0.0, 0.0)])
        answers = [nothing] * len(encoded)
        written = [i for i, ids in enumerate(encoded) if len(ids) > 1]  # more than an end
        for rows, found in self._batches(search, encoded, written, batch_size):
            tokens, lengths = found.tokens, found.lengths
            for place, row in enumerate(rows):
                hypotheses = [
                    Hypothesis(
                        self._text(tokens[place, n, : lengths[place, n]]),
                        float(found.scores[place, n]),
                        float(found.log_probabilities[place, n]),
                    )
                    for n in range(tokens.shape[1])
                ]
                answers[row] = Translation(hypotheses[0].text, hypotheses[0].score, hypotheses)
        return answers

    def score(self, columns: dict[str, list], batch_size: int = 64, **search) -> dict[str, float]:
        """Compares the translations with references.

        Args:
            columns: `"source"` and `"target"`, lists of strings of the same length.
            batch_size: int. Defaults to `64`.
            **search: Options of `infer`.

        Returns:
            What `zoo.metrics.translation_scores` does, and of the references themselves `loss`
            (mean cross-entropy of a token in nats) and `perplexity`, its exponential.
        """
        from zoo.metrics import translation_scores

        answers = self.infer(columns["source"], batch_size=batch_size, **search)
        loss = self._loss(columns, batch_size)
        language = self.languages and self.languages[1]
        written = [answer.text for answer in answers]
        scores = translation_scores(columns["target"], written, language)
        return scores | {"loss": loss, "perplexity": float(np.exp(loss))}

    def explain(self, text: str) -> "Alignment":
        """Where it looked for each token that it wrote, by greedy search.

        Args:
            text: One text.

        Returns:
            `zoo.explain.Alignment`, which draws itself with `.save("map.png")`.

        Raises:
            TypeError: if `text` is not a string.
            ValueError: if it has no tokens, or the model has no attention.
        """
        from zoo.explain import Alignment

        if self.backbone.attention == "none":
            raise ValueError(
                "A model without attention looks nowhere: it has one vector for the whole text. "
                "Received: attention='none'"
            )
        encoded = self._encode([text])
        if len(encoded[0]) == 1:
            raise ValueError(f"An empty text has nothing to explain. Received: text={text!r}")
        search = self._search(1, 1, 0.0, 0.0, None, 0, 0, return_attention=True)
        ((_, found),) = self._batches(search, encoded, [0], 1)
        tokenizer, length = self.preprocessor.tokenizer, int(found.lengths[0, 0])
        ids = found.tokens[0, 0, :length]
        source = self.preprocessor.source_tokenizer.pieces(text.strip())[: len(encoded[0]) - 1]
        target = [tokenizer.id_to_token(int(token)).replace("▁", " ") for token in ids]
        if ids[-1] == tokenizer.end_token_id:
            target[-1] = "</s>"
        return Alignment(
            [*source, "</s>"],
            target,
            found.attention[0, 0, :length, : len(source) + 1],
            text=text.strip(),
            translation=self._text(ids),
        )

    def generate_step(self, inputs, stop_token_ids=None):
        """One batch of `generate`, of KerasHub: continues `decoder_token_ids` by its sampler."""
        token_ids, mask = inputs["decoder_token_ids"], inputs["decoder_padding_mask"]
        start, constants = self.backbone.start(
            inputs["encoder_token_ids"], inputs["encoder_padding_mask"], token_ids.shape[1]
        )

        def next(prompt, state, index):
            last = ops.take(prompt, index - 1, axis=1)
            hidden, state, _ = self.backbone.write(last, state, constants)
            return self.head(hidden), hidden, state

        # The sampler keeps what the mask says is there already.
        token_ids = self.sampler(
            next=next, prompt=token_ids, cache=start, index=1, mask=mask,
            stop_token_ids=stop_token_ids, model=self,
        )  # fmt: skip
        steps = ops.arange(ops.shape(token_ids)[1], dtype="int32")[None, :]
        if stop_token_ids is None:
            return {"decoder_token_ids": token_ids, "decoder_padding_mask": steps >= 0}
        stops = ops.zeros_like(mask)
        for stop in stop_token_ids:
            stops = ops.logical_or(stops, ops.logical_and(token_ids == stop, ~mask))
        after = ops.cumsum(ops.cast(stops, "int32"), axis=1) - ops.cast(stops, "int32")
        return {"decoder_token_ids": token_ids, "decoder_padding_mask": after == 0}

    def _search(
        self,
        beam,
        n_best,
        length_penalty,
        coverage_penalty,
        max_length,
        min_length,
        no_repeat_ngram,
        return_attention=False,
    ):
        """A compiled search of `(token_ids, padding_mask)`, made once for each setting."""
        setting = (
            beam, n_best, length_penalty, coverage_penalty, max_length, min_length,
            no_repeat_ngram, return_attention,
        )  # fmt: skip
        if setting in self._searches:
            return self._searches[setting]
        tokenizer = required(self.preprocessor).tokenizer

        def search(token_ids, padding_mask):
            batch, source = token_ids.shape
            longest = max_length or min(2 * source, self.preprocessor.decoder_sequence_length)
            state, constants = self.backbone.start(token_ids, padding_mask, longest)

            def step(tokens, state, index):
                hidden, state, weights = self.backbone.write(tokens, state, constants)
                return self.head(hidden), state, weights

            return beam_search(
                step,
                state,
                batch,
                tokenizer.start_token_id,
                tokenizer.end_token_id,
                longest,
                beam=beam,
                n_best=n_best,
                length_penalty=length_penalty,
                coverage_penalty=coverage_penalty,
                min_length=min_length,
                no_repeat_ngram=no_repeat_ngram,
                return_attention=return_attention,
                source_mask=padding_mask,
                pad_id=tokenizer.pad_token_id,
            )

        return self._searches.setdefault(setting, compiled(search, layers=[self]))

    def _batches(self, search, encoded, rows, batch_size):
        """Yields rows, the shortest first, and what was found for them, as arrays."""
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise ValueError(f"A batch holds one text or more. Received: batch_size={batch_size!r}")
        rows = sorted(rows, key=lambda row: len(encoded[row]))
        for start in range(0, len(rows), batch_size):
            some = rows[start : start + batch_size]
            filling = [encoded[some[-1]]] * (min(bucket(len(some)), batch_size) - len(some))
            batch = self.preprocessor.collate_source(
                [encoded[row] for row in some] + filling,
                bucket(len(encoded[some[-1]]), SHORTEST_BATCH),
            )
            found = search(batch["encoder_token_ids"], batch["encoder_padding_mask"])
            yield (
                some,
                type(found)(
                    *(None if part is None else ops.convert_to_numpy(part) for part in found)
                ),
            )

    def _encode(self, texts):
        preprocessor, texts = required(self.preprocessor), checked_texts(texts)
        encoded = preprocessor.source_tokenizer.encode([text.strip() for text in texts])
        longest = preprocessor.encoder_sequence_length - 1
        if cut := sum(len(ids) > longest for ids in encoded):
            warnings.warn(
                f"{cut} of {len(texts)} texts are longer than the {longest} tokens that this "
                "model reads, and were cut. Split them into sentences.",
                stacklevel=3,
            )
        end = preprocessor.tokenizer.end_token_id
        return [[*ids[:longest], end] for ids in encoded]

    def _text(self, ids):
        special = (
            self.preprocessor.tokenizer.pad_token_id,
            self.preprocessor.tokenizer.end_token_id,
        )
        ids = [int(i) for i in ids if int(i) not in special]
        return self.preprocessor.tokenizer.detokenize(ids) if ids else ""

    def _loss(self, columns, batch_size):
        """The mean cross-entropy of the references' tokens."""
        sources = self.preprocessor.encode_source(columns["source"])
        targets = self.preprocessor.encode_target(columns["target"])
        lengths = [max(len(s), len(t)) for s, t in zip(sources, targets, strict=True)]
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        total = count = 0.0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            rows += [rows[-1]] * (batch_size - len(rows))
            length = bucket(lengths[rows[-1]], SHORTEST_BATCH)
            inputs, following, weights = self.preprocessor.collate(
                [sources[row] for row in rows], [targets[row] for row in rows], length
            )
            weights[len(order) - start :] = 0  # the rows that fill up
            losses = self._token_losses(inputs, following)
            total += float((losses * weights).sum())
            count += float(weights.sum())
        return total / count

    def _token_losses(self, inputs, following):
        logits = np.asarray(keras.Model.predict_on_batch(self, inputs), "float32")
        highest = logits.max(axis=-1, keepdims=True)
        normalizer = np.log(np.exp(logits - highest).sum(axis=-1)) + highest[..., 0]
        return normalizer - np.take_along_axis(logits, following[..., None], axis=-1)[..., 0]
