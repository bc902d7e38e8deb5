"""Sequence-to-sequence task with beam search, scores and attention maps."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from zoo.explain import Alignment
from zoo.metrics import translation_scores
from zoo.models.batching import batches, bucket_size, predict, run_by_length
from zoo.models.checks import (
    check_columns,
    check_texts,
    require_preprocessor,
    warn_of_truncation,
)
from zoo.models.generation import Generation, GenerationTask, Hypothesis, SearchOptions
from zoo.models.seq2seq_lm.backbone import Seq2SeqLMBackbone
from zoo.models.seq2seq_lm.preprocessor import Seq2SeqLMPreprocessor
from zoo.search_options import takes_search_options

MIN_LENGTH = 16  # tokens


class Translation(Generation):
    """The output text for one source text."""


@keras.saving.register_keras_serializable("zoo")
class Seq2SeqLM(GenerationTask):
    """Maps a text to another, such as its translation: many-to-many.

    Args:
        backbone: A `Seq2SeqLMBackbone`.
        preprocessor: A `Seq2SeqLMPreprocessor`, or `None`.
        languages: The codes of the source and the target language, such as `("en", "de")`.
            `score` splits words by the rules of the target language. Defaults to `None`, unknown.

    Raises:
        ValueError: if `languages` is not a pair of strings.

    Example:

    >>> model = zoo.load("gru_bahdanau_multi30k_en_de")
    >>> model.infer(["A man rides a bike."], beam=5)
    """

    backbone_cls = Seq2SeqLMBackbone
    preprocessor_cls = Seq2SeqLMPreprocessor

    def __init__(self, backbone, preprocessor=None, languages=None, **kwargs):
        _check_languages(languages)
        super().__init__(backbone, preprocessor, **kwargs)

        # === Config ===
        self.languages = None if languages is None else tuple(languages)

    def get_config(self):
        languages = None if self.languages is None else list(self.languages)
        return super().get_config() | {"languages": languages}

    @takes_search_options
    def infer(self, texts: Iterable[str], *, batch_size: int = 64, **search) -> list[Translation]:
        """Translates texts.

        Args:
            texts: A list of texts. Those longer than the preprocessor's
                `encoder_sequence_length` are truncated, with a warning.
            batch_size: int. Most texts in a batch. Defaults to `64`.
            **search: Options of the beam search, such as `beam=5`: see
                `zoo.models.generation.SearchOptions`. `max_length` defaults to twice the
                (padded) length of the source, and at most the preprocessor's
                `decoder_sequence_length`.

        Returns:
            A `Translation` for each text, in order; an empty one for an empty text.

        Raises:
            TypeError: if `texts` is not a list of strings, or an option is unknown.
            ValueError: if an option is out of its range.
        """
        run_search = self.search(SearchOptions(**search))
        encoded = self._encode(texts)

        def run(batch):
            found = run_search(*self._collate(batch.take(encoded), batch.length))
            return [Translation.of(self.hypotheses(found, i)) for i in range(len(batch.rows))]

        # An end token alone is an empty text.
        lengths = [len(ids) if len(ids) > 1 else 0 for ids in encoded]
        empty = Translation.of([Hypothesis("", 0.0, 0.0)])
        return run_by_length(run, lengths, batch_size, MIN_LENGTH, empty)

    @takes_search_options
    def score(
        self, columns: dict[str, list], *, batch_size: int = 64, **search
    ) -> dict[str, float]:
        """Compares translations with references.

        Args:
            columns: `"source"` and `"target"`, lists of strings of the same length.
            batch_size: int. Most texts in a batch. Defaults to `64`.
            **search: Options of the beam search, as for `infer`.

        Returns:
            The scores of `zoo.metrics.translation_scores`; and of the references `loss`, the
            mean cross-entropy of a token in nats, and `perplexity`, its exponential.

        Raises:
            ValueError: if a column is missing, their lengths differ, or they have no rows.
        """
        check_columns(columns, "source", "target")
        answers = self.infer(columns["source"], batch_size=batch_size, **search)
        loss = self._loss(columns, batch_size)
        language = self.languages[1] if self.languages else None
        translations = [answer.text for answer in answers]
        scores = translation_scores(columns["target"], translations, language)
        return scores | {"loss": loss, "perplexity": float(np.exp(loss))}

    def explain(self, text: str) -> Alignment:
        """The attention weights of a greedy translation, from target to source tokens.

        Args:
            text: str. One text.

        Returns:
            A `zoo.explain.Alignment`, which `.save("map.png")` draws.

        Raises:
            TypeError: if `text` is not a string.
            ValueError: if it has no tokens, or the model has no attention.
        """
        if self.backbone.attention == "none":
            raise ValueError(
                "This model has no attention to explain; use one with another `attention`. "
                "Received: attention='none'"
            )
        (text,) = check_texts([text])
        (encoded,) = self._encode([text])
        if len(encoded) == 1:
            raise ValueError(f"An empty text has nothing to explain. Received: text={text!r}")
        options = SearchOptions(beam=1, length_penalty=0.0)
        search = self.search(options, return_attention=True)
        found = search(*self._collate([encoded], bucket_size(len(encoded), MIN_LENGTH)))
        length = int(found.lengths[0, 0])
        ids = found.tokens[0, 0, :length]
        source = self.preprocessor.source_tokenizer.pieces(text.strip())[: len(encoded) - 1]
        return Alignment(
            [*source, "</s>"],
            self.pieces(ids),
            found.attention[0, 0, :length, : len(source) + 1],
            text=text.strip(),
            translation=self.text(ids),
        )

    def encoder_inputs(self, inputs):
        return inputs["encoder_token_ids"], inputs["encoder_padding_mask"]

    def default_max_length(self, token_ids, padding_mask):
        return min(2 * token_ids.shape[1], self.preprocessor.decoder_sequence_length)

    def _encode(self, texts):
        """Token ids of each text, with the end token; warns of truncated texts."""
        preprocessor, texts = require_preprocessor(self.preprocessor), check_texts(texts)
        encoded = preprocessor.source_tokenizer.encode([text.strip() for text in texts])
        longest = preprocessor.encoder_sequence_length - 1
        warn_of_truncation(sum(len(ids) > longest for ids in encoded), len(encoded), longest)
        end = preprocessor.tokenizer.end_token_id
        return [[*ids[:longest], end] for ids in encoded]

    def _collate(self, encoded, length):
        return self.encoder_inputs(self.preprocessor.collate_source(encoded, length))

    def _loss(self, columns, batch_size):
        """Mean cross-entropy of the tokens of the references."""
        sources = self.preprocessor.encode_source(columns["source"])
        targets = self.preprocessor.encode_target(columns["target"])
        lengths = [max(len(s), len(t)) for s, t in zip(sources, targets, strict=True)]
        total = count = 0.0
        for batch in batches(lengths, batch_size, MIN_LENGTH):
            inputs, labels, weights = self.preprocessor.collate(
                batch.take(sources), batch.take(targets), batch.length
            )
            weights[len(batch.rows) :] = 0  # filling rows
            total += float((self._token_losses(inputs, labels) * weights).sum())
            count += float(weights.sum())
        return total / count

    def _token_losses(self, inputs, labels):
        """Cross-entropy of each token, float32 `[batch, target]`."""
        logits = predict(self, inputs).astype("float32")
        highest = logits.max(axis=-1, keepdims=True)
        normalizer = np.log(np.exp(logits - highest).sum(axis=-1)) + highest[..., 0]
        return normalizer - np.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]


def _check_languages(languages: Any) -> None:
    if languages is None:
        return
    is_pair = isinstance(languages, list | tuple) and len(languages) == 2
    if not is_pair or not all(isinstance(code, str) for code in languages):
        raise ValueError(
            "`languages` must be the codes of the source and the target language, such as "
            f"('en', 'de'), or None. Received: languages={languages!r}"
        )
