"""Inference and scores of models that write a text for a text, alone or together."""

import itertools
import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from zoo.decoding import required_table
from zoo.decoding.blocking import power_of_two
from zoo.metrics import (
    dialogue_scores,
    pronunciation_scores,
    summary_scores,
    translation_scores,
)
from zoo.models.batching import batches, pad, predict, rows_within, run_batches, run_by_length
from zoo.models.checks import (
    check_columns,
    check_texts,
    require_preprocessor,
    warn_of_truncation,
    warn_of_unknown,
)
from zoo.models.generation import Generation, Hypothesis, SearchOptions
from zoo.models.generation.search import TextSearch, contains
from zoo.models.generation.teacher_forcing import teacher_forcing, token_losses
from zoo.models.seq2seq_lm.aligning import WordAlignment, align_words
from zoo.models.seq2seq_lm.glossary import Glossary
from zoo.search_options import takes_search_options
from zoo.tokenizers import CharacterTokenizer, SymbolTokenizer

MIN_LENGTH = 16  # tokens
MAX_WIDTH = 64  # of a beam that is widened for the terms of a glossary
SCORES = {
    "translation": translation_scores,
    "summarization": summary_scores,
    "dialogue": dialogue_scores,
}


class Translation(Generation):
    """The output text for one source text."""


class TextWriter(TextSearch):
    """Maps texts to texts, by one model or several together.

    A subclass has `preprocessor`, `languages` and `purpose`: see `Seq2SeqLM`.
    """

    takes_glossary = True
    languages: tuple[str, str] | None
    purpose: str

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
            ValueError: if an option is out of its range, options contradict each other, or the
                search finds no text that satisfies all limits.
        """
        options = SearchOptions(**search)
        texts = check_texts(texts)
        terms = self._terms(options, texts)

        def search_of(size):
            """The search and the batch size for texts whose terms have up to `size` tokens."""
            wide = options
            if size:
                wide = replace(options, beam=max(options.beam, min(size + 1, MAX_WIDTH)))
            return self.search(wide), self.rows_within(batch_size, wide)

        search_of(0)  # refuses what the model cannot do, also where there are no texts
        return self._answers(search_of, texts, terms, options)

    def make_sampler(self, temperature: float = 1.0, num_samples: int = 1, seed: int | None = None):
        """Random answers in place of the best ones of a beam.

        Args:
            temperature: float. From 0.01; see `zoo.search_options.SearchOptions`.
            num_samples: int. Texts drawn for each input.
            seed: int. Defaults to `None`, a random one.

        Returns:
            A function from a list of texts to a `Translation` for each, as those of `infer`, whose
            hypotheses are the samples, the most probable first. Each call draws other ones.

        Raises:
            ValueError: if an option is out of its range.
        """
        options: dict[str, Any] = {"temperature": temperature, "n_best": num_samples}
        first = secrets.randbits(62) if seed is None else seed
        SearchOptions(**options, seed=first)  # checks them
        seeds = itertools.count(first)

        def answer(texts: Iterable[str]) -> list[Translation]:
            return self.infer(texts, **options, seed=next(seeds))

        return answer

    def _answers(self, search_of, texts, terms, options):
        """The answers of a search to texts, in order.

        Args:
            search_of: From a number of tokens that must be written to a search and a batch size.
            texts: list of strings.
            terms: For each text the token sequences that its answer must contain.
            options: The `SearchOptions`.
        """
        encoded = self._encode(texts)
        # An end token alone is an empty text.
        lengths = [len(ids) if len(ids) > 1 else 0 for ids in encoded]
        empty = Translation.of([Hypothesis("", 0.0, 0.0)])
        # Texts whose terms have a table of the same shape share batches: no answer depends on
        # the terms of another text.
        groups: dict[tuple[int, ...], list[int]] = {}
        for row, sequences in enumerate(terms):
            groups.setdefault(_shape(sequences), []).append(row)
        answers: list[Any] = [empty] * len(texts)
        for (*_, size), rows in groups.items():
            run_search, batch_size = search_of(size)

            def run(batch, rows=rows, run_search=run_search, size=size):
                places = batch.take(rows)
                given = {"required": required_table([terms[i] for i in places])} if size else {}
                inputs = self._collate([encoded[i] for i in places], batch.length)
                found = run_search(*inputs, rows=places, **given)
                return [
                    Translation.of(self.hypotheses(found, i, options, places[i]))
                    for i in range(len(batch.rows))
                ]

            found = run_by_length(run, [lengths[i] for i in rows], batch_size, MIN_LENGTH, empty)
            for row, answer in zip(rows, found, strict=True):
                answers[row] = answer
        return answers

    def _terms(self, options, texts):
        """The token sequences that the glossary asks for in the answer to each text.

        Raises:
            ValueError: if they contradict other options.
        """
        if not options.glossary:
            return [[]] * len(texts)
        require_preprocessor(self.preprocessor)
        glossary = Glossary(options.glossary, lambda term: self.token_ids("glossary", term))
        forbidden, prefix = self._forbidden_ids(options), self._prefix_ids(options)
        for (_, target), ids in zip(glossary.pairs, glossary.token_ids, strict=True):
            for word, sequence in forbidden:
                if contains(ids, sequence):
                    raise ValueError(
                        "A target term of `glossary` must not contain a forbidden word. "
                        f"Received: glossary with {target!r}, forbidden={word!r}"
                    )
        return [_checked(glossary.terms(text), text, prefix, options) for text in texts]

    @takes_search_options
    def score(
        self, columns: dict[str, list], *, batch_size: int = 64, **search
    ) -> dict[str, float]:
        """Compares outputs with references.

        Args:
            columns: `"source"` and `"target"`, lists of strings of the same length.
            batch_size: int. Most texts in a batch. Defaults to `64`.
            **search: Options of the beam search, as for `infer`.

        Returns:
            The scores of `zoo.metrics.translation_scores`, `summary_scores` or `dialogue_scores`,
            by the purpose, or of `pronunciation_scores` if the targets are symbols, such as phones;
            and of the references `loss`, the mean cross-entropy of a token in nats, and
            `perplexity`, its exponential.

        Raises:
            ValueError: if a column is missing, their lengths differ, or they have no rows.
        """
        check_columns(columns, "source", "target")
        answers = self.infer(columns["source"], batch_size=batch_size, **search)
        loss = self._loss(columns, batch_size)
        language = self.languages[1] if self.languages else None
        written = [answer.text for answer in answers]
        if self.writes_symbols:
            scores = pronunciation_scores(columns["source"], columns["target"], written)
        else:
            scores = SCORES[self.purpose](columns["target"], written, language)
        return scores | {"loss": loss, "perplexity": float(np.exp(loss))}

    def rescore(
        self,
        texts: Iterable[str],
        candidates: Iterable[Iterable[str]],
        *,
        batch_size: int = 64,
        length_penalty: float | None = None,
        coverage_penalty: float = 0.0,
    ) -> list[Translation]:
        """Scores given texts as `infer` scores what it finds, and ranks them.

        For texts of another system, such as its n best: the scores of several models can be
        compared where they have the same tokens.

        Args:
            texts: A list of sources.
            candidates: For each source a list of texts, at least one.
            batch_size: int. Most pairs of a source and a text in a batch. Defaults to `64`.
            length_penalty, coverage_penalty: See `zoo.search_options.SearchOptions`.

        Returns:
            A `Translation` for each source, whose hypotheses are its candidates, best first.

        Raises:
            TypeError: if `texts` or the candidates of a source are no list of strings.
            ValueError: if the two differ in length, a source has no candidates, or an option is out
                of its range.
        """
        options = SearchOptions(length_penalty=length_penalty, coverage_penalty=coverage_penalty)
        self.search(options)  # refuses what it cannot do
        texts, lists = check_texts(texts), [check_texts(some) for some in candidates]
        if len(lists) != len(texts) or not all(lists):
            raise ValueError(
                "`candidates` must have a list for each source, with at least one text. "
                f"Received: {len(texts)} sources, lists of {[len(some) for some in lists]}"
            )
        sources = [ids for ids, some in zip(self._encode(texts), lists, strict=True) for _ in some]
        written = [text for some in lists for text in some]
        end = self.preprocessor.tokenizer.end_token_id
        targets = [[*ids, end] for ids in self.preprocessor.tokenizer.encode(written)]
        run_scorer = self.scorer(options)

        def run(batch):
            tokens, _ = pad(batch.take(targets), batch.length, end)
            found = run_scorer(tokens, *self._collate(batch.take(sources), batch.length))
            return [
                Hypothesis(written[i], float(found.scores[n, 0]),
                           float(found.log_probabilities[n, 0]))
                for n, i in enumerate(batch.rows)
            ]  # fmt: skip

        lengths = [max(len(one), len(other)) for one, other in zip(sources, targets, strict=True)]
        size = rows_within(batch_size, self.members()[0].backbone.vocabulary_size)
        hypotheses = iter(run_batches(run, lengths, size, MIN_LENGTH))
        found = [list(itertools.islice(hypotheses, len(some))) for some in lists]
        return [
            Translation.of(sorted(some, key=lambda it: it.score, reverse=True)) for some in found
        ]

    def align(
        self, texts: Iterable[str], targets: Iterable[str], *, batch_size: int = 64
    ) -> list[WordAlignment]:
        """Aligns the words of pairs of texts, such as those of `infer` with its sources.

        By the attention weights with which the model writes the target: of a Transformer the means
        over all heads of all layers, of an ensemble the means over the members with attention.

        Args:
            texts: A list of sources.
            targets: A text for each, such as its translation.
            batch_size: int. Most pairs in a batch. Defaults to `64`.

        Returns:
            A `WordAlignment` for each pair, in which each target word has one source word.

        Raises:
            TypeError: if an argument is not a list of strings.
            ValueError: if the two differ in length, or no member has attention.
        """
        attending = [it for it in self.members() if it.backbone.attention != "none"]
        if not attending:
            raise ValueError(
                "Words are aligned by attention: use a model that has it. "
                "Received: attention='none'"
            )
        texts, targets = check_texts(texts), check_texts(targets)
        if len(texts) != len(targets):
            raise ValueError(
                "Each source needs one target. "
                f"Received: {len(texts)} sources, {len(targets)} targets"
            )
        texts, targets = ([text.strip() for text in some] for some in (texts, targets))
        sources, tokenizer = self._encode(texts), self.preprocessor.tokenizer
        encoded = [[*ids, tokenizer.end_token_id] for ids in tokenizer.encode(targets)]

        def run(batch):
            inputs = self._collate(batch.take(sources), batch.length)
            forced, _, _ = teacher_forcing(batch.take(encoded), batch.length, tokenizer)
            given = [*inputs, forced["decoder_token_ids"]]
            weights = [predict(it._scorer, given)["attention"] for it in attending]
            means = sum(one.astype("float32") for one in weights) / len(weights)
            return list(means[: len(batch.rows)])

        lengths = [max(len(one), len(other)) for one, other in zip(sources, encoded, strict=True)]
        read = self.preprocessor.source_text
        return [
            align_words(
                self.preprocessor.source_tokenizer.pieces(read(text)),
                tokenizer.pieces(target),
                one[:, : len(ids) - 1],  # without the end token
            )
            for text, target, ids, one in zip(
                texts,
                targets,
                sources,
                run_batches(run, lengths, batch_size, MIN_LENGTH),
                strict=True,
            )
        ]

    @property
    def writes_symbols(self) -> bool:
        """True if targets are symbols, such as phones, and no language."""
        return isinstance(self.preprocessor.tokenizer, SymbolTokenizer)

    def encoder_inputs(self, inputs):
        return inputs["encoder_token_ids"], inputs["encoder_padding_mask"]

    def default_max_length(self, token_ids, padding_mask):
        return min(2 * token_ids.shape[1], self.preprocessor.decoder_sequence_length)

    def _encode(self, texts):
        """Token ids of each text, with the end token; warns of truncated texts."""
        preprocessor, texts = require_preprocessor(self.preprocessor), check_texts(texts)
        read = [preprocessor.source_text(text.strip()) for text in texts]
        tokenizer = preprocessor.source_tokenizer
        encoded = tokenizer.encode(read)
        if isinstance(tokenizer, CharacterTokenizer):  # a SubwordTokenizer has bytes
            unknown = [one for text in read for one in tokenizer.unknown_characters(text)]
            warn_of_unknown(list(dict.fromkeys(unknown)))
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
        return token_losses(predict(self, inputs), labels)


def _shape(sequences):
    """The shape of the table of sequences of tokens, and the number of their tokens, about."""
    if not sequences:
        return 0, 0, 0
    sizes = len(sequences), max(map(len, sequences)), sum(map(len, sequences))
    return tuple(map(power_of_two, sizes))


def _checked(terms, text, prefix, options):
    """The tokens of the terms of one text; an error if it cannot have them all."""
    sequences = list(terms.values())
    count = len(prefix) + sum(map(len, sequences))
    if options.max_length is not None and sequences and count >= options.max_length:
        raise ValueError(
            "`max_length`, which counts the end token, must be larger than the number of tokens of "
            "`prefix` and of the glossary's terms together. "
            f"Received: max_length={options.max_length}, {count} tokens, with "
            f"{', '.join(map(repr, terms))} for {text!r:.80}"
        )
    size = options.no_repeat_ngram
    ngrams = [
        tuple(ids[start : start + size])
        for ids in sequences
        for start in range(len(ids) - size + 1)
    ]
    if size and len(ngrams) > len(set(ngrams)):
        raise ValueError(
            "The glossary's terms for a text repeat tokens that `no_repeat_ngram` allows once: set "
            f"it higher, or 0. Received: no_repeat_ngram={size}, "
            f"{', '.join(map(repr, terms))} for {text!r:.80}"
        )
    return sequences
