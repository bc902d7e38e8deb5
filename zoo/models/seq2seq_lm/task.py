"""The translator: what a user holds."""

import warnings
from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING

import keras
import numpy as np

from zoo.models.generation import Generation, GenerationTask, Hypothesis
from zoo.models.seq2seq_lm.backbone import Seq2SeqLMBackbone
from zoo.models.seq2seq_lm.preprocessor import Seq2SeqLMPreprocessor
from zoo.models.texts import bucket, checked_texts, required

if TYPE_CHECKING:
    from zoo.explain import Alignment

MIN_LENGTH = 16  # tokens


class Translation(Generation):
    """What the model makes of one text."""


@keras.saving.register_keras_serializable("zoo")
class Seq2SeqLM(GenerationTask):
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
        super().__init__(backbone, preprocessor, **kwargs)

        # === Config ===
        self.languages = None if languages is None else tuple(languages)

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
        search = self.search(
            beam, n_best, length_penalty, coverage_penalty, max_length, min_length, no_repeat_ngram
        )
        encoded = self._encode(texts)
        answers = [Translation.of([Hypothesis("", 0.0, 0.0)])] * len(encoded)
        written = [i for i, ids in enumerate(encoded) if len(ids) > 1]  # more than an end
        for rows, found in self._batches(search, encoded, written, batch_size):
            for place, row in enumerate(rows):
                answers[row] = Translation.of(self.hypotheses(found, place))
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
        search = self.search(1, length_penalty=0.0, return_attention=True)
        ((_, found),) = self._batches(search, encoded, [0], 1)
        length = int(found.lengths[0, 0])
        ids = found.tokens[0, 0, :length]
        source = self.preprocessor.source_tokenizer.pieces(text.strip())[: len(encoded[0]) - 1]
        return Alignment(
            [*source, "</s>"],
            self.pieces(ids),
            found.attention[0, 0, :length, : len(source) + 1],
            text=text.strip(),
            translation=self.text(ids),
        )

    def source(self, inputs):
        return inputs["encoder_token_ids"], inputs["encoder_padding_mask"]

    def start(self, source, max_length):
        token_ids, padding_mask = source
        longest = max_length
        if longest is None:
            longest = min(2 * token_ids.shape[1], self.preprocessor.decoder_sequence_length)
        state, constants = self.backbone.init_decoding(token_ids, padding_mask, longest)
        return state, constants, padding_mask, longest

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
                bucket(len(encoded[some[-1]]), MIN_LENGTH),
            )
            yield some, search(batch["encoder_token_ids"], batch["encoder_padding_mask"])

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
            length = bucket(lengths[rows[-1]], MIN_LENGTH)
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
