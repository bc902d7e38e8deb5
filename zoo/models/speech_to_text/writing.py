"""Transcripts and their scores by one recogniser, or by several together."""

import functools
import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from zoo.decoding import ctc
from zoo.decoding.blocking import LOWEST
from zoo.metrics.speech import speech_scores
from zoo.models.batching import bucket_size, pad, predict, run_batches, run_by_length
from zoo.models.checks import check_columns, check_texts, require_preprocessor, warn_of_fewer
from zoo.models.generation import Hypothesis
from zoo.models.speech_to_text.answers import Transcription
from zoo.models.speech_to_text.search import TranscriptSearch
from zoo.models.speech_to_text.timing import words_of_spans, words_of_weights
from zoo.search_options import TranscriptionOptions, takes_search_options

MIN_LENGTH = 64  # frames

takes_transcription_options = functools.partial(takes_search_options, options=TranscriptionOptions)


class Written(NamedTuple):
    """Result of the search for a recording.

    Attributes:
        hypotheses: Texts with their scores, best first.
        pieces: The text of each token of the best one.
        spans: The first step and that after the last of each, by CTC; or `None`.
        weights: Their attention weights, `[tokens, steps]`, or `None`.
    """

    hypotheses: list[Hypothesis]
    pieces: list[str]
    spans: list[tuple[int, int]] | None
    weights: np.ndarray | None


class TranscriptWriter(TranscriptSearch):
    """Maps recordings to transcripts, by one model or several together.

    The members are `SpeechToText`s.
    """

    @takes_transcription_options
    def infer(
        self, recordings: Iterable[Any], *, batch_size: int = 64, **search
    ) -> list[Transcription]:
        """Transcribes recordings.

        Args:
            recordings: A list of recordings: paths, bytes of files, arrays at the model's
                sampling rate, tuples of an array and its rate, or anything else that
                `zoo.audio.read_audio` takes.
            batch_size: int. Most recordings in a batch. Defaults to `64`.
            **search: Options of the search, such as `beam=5`: see
                `zoo.search_options.TranscriptionOptions`. With `beam`, `n_best` and `words` alone,
                one model with a CTC head alone is searched frame by frame; with a `beam` of 1 and
                no list of words it returns the labels of the most probable alignment.

        Returns:
            A `Transcription` for each recording, in order. Its score, and that of its hypotheses,
            is the log-probability of the text by CTC, or by the decoder, divided by its length
            penalty; or with both the sum of both, weighted by `ctc_weight`. Of minimum Bayes risk
            it is minus the mean number of word errors against the other texts that were drawn.

        Raises:
            TypeError: if `recordings` is not a list of recordings, or an option is unknown.
            FileNotFoundError: if a file does not exist, also that of `words`.
            zoo.audio.AudioError: if an input cannot be read as a recording.
            ValueError: if an option is out of its range, or has no effect, or the search finds no
                text that satisfies all limits.
        """
        options = self._options(search)
        decode = self._decoder(options)
        batch_size = self.rows_within(batch_size, options)
        recordings = self._read(recordings)

        def run(batch):
            inputs = self._collate(batch.take(recordings), batch.length)
            given, rows = [recordings[row] for row in batch.rows], batch.take(range(len(lengths)))
            return [
                self._transcription(samples, found, options.n_best)
                for samples, found in zip(
                    given, self._write(decode, given, inputs, rows), strict=True
                )
            ]

        lengths = list(map(self.preprocessor.length, recordings))
        return run_by_length(run, lengths, batch_size, MIN_LENGTH, None)

    @takes_transcription_options
    def score(
        self, columns: dict[str, list], *, batch_size: int = 64, **search
    ) -> dict[str, float]:
        """Compares transcripts with references.

        Args:
            columns: `"audio"`, a list of recordings, and `"text"`, their transcripts.
            batch_size: int. Most recordings in a batch. Defaults to `64`.
            **search: Options of the search, as for `infer`.

        Returns:
            The scores of `zoo.metrics.speech_scores`; and of one model `loss`, that of training,
            without label smoothing.

        Raises:
            ValueError: if a column is missing, their lengths differ, or they have no rows.
        """
        check_columns(columns, "audio", "text")
        options = self._options(search)
        self._decoder(options)  # refuses what the model cannot do
        self.rows_within(batch_size, options)
        recordings = self._read(columns["audio"])
        answers = self.infer(recordings, batch_size=batch_size, **search)
        scores = speech_scores(columns["text"], [answer.text for answer in answers])
        return scores | self._reference_loss(recordings, columns["text"], batch_size)

    def rescore(
        self,
        recordings: Iterable[Any],
        candidates: Iterable[Iterable[str]],
        *,
        batch_size: int = 64,
        length_penalty: float | None = None,
        coverage_penalty: float = 0.0,
    ) -> list[Transcription]:
        """Scores given transcripts as `infer` scores what it finds, and ranks them.

        Args:
            recordings: A list of recordings, as for `infer`.
            candidates: For each recording a list of texts, at least one.
            batch_size: int. Most pairs of a recording and a text in a batch. Defaults to `64`.
            length_penalty, coverage_penalty: See `zoo.search_options.TranscriptionOptions`.

        Returns:
            A `Transcription` for each recording, whose hypotheses are its candidates, best first.
            The score of a text for which a recording is too short for CTC is `-inf`.

        Raises:
            TypeError: if the candidates of a recording are no list of strings.
            ValueError: if the two differ in length, a recording has no candidates, a text has
                characters that the model cannot write, or an option is out of its range.
        """
        options = TranscriptionOptions(5, length_penalty, coverage_penalty)
        self.search(options)  # refuses what it cannot do
        recordings, lists = self._read(recordings), [check_texts(some) for some in candidates]
        if len(lists) != len(recordings) or not all(lists):
            raise ValueError(
                "`candidates` must have a list for each recording, with at least one text. "
                f"Received: {len(recordings)} recordings, lists of {[len(it) for it in lists]}"
            )
        places = [place for place, some in enumerate(lists) for _ in some]
        written = [text for some in lists for text in some]
        end = self.preprocessor.tokenizer.end_token_id
        targets = [[*self.token_ids("candidates", text), end] for text in written]
        longest = bucket_size(max(map(len, targets), default=1), 16)
        frames = list(map(self.preprocessor.length, recordings))
        run_scorer = self.scorer(options)

        def run(batch):
            tokens, _ = pad(batch.take(targets), longest, end)
            given = [recordings[place] for place in batch.take(places)]
            found = run_scorer(tokens, *self._collate(given, batch.length))
            possible = found.log_probabilities > LOWEST / 2
            scores, totals = (
                np.where(possible, one, -np.inf)[:, 0]
                for one in (found.scores, found.log_probabilities)
            )
            return [
                Hypothesis(written[i], float(scores[n]), float(totals[n]))
                for n, i in enumerate(batch.rows)
            ]

        size = self.rows_within(batch_size, TranscriptionOptions(beam=1))
        pairs = run_batches(run, [frames[place] for place in places], size, MIN_LENGTH)
        scored = iter(zip(pairs, targets, strict=True))
        ranked = [
            sorted(itertools.islice(scored, len(some)), key=lambda it: it[0].score, reverse=True)
            for some in lists
        ]

        def place_words(batch):
            inputs = self._collate(batch.take(recordings), batch.length)
            given, best = ([one[row] for row in batch.rows] for one in (recordings, ranked))
            found = [([it for it, _ in some], some[0][1][:-1]) for some in best]
            timed = self._write(lambda *_: found, given, inputs, batch.rows)
            return list(map(self._transcription, given, timed))

        return run_batches(place_words, frames, batch_size, MIN_LENGTH)

    def explain(self, recording: Any, text: str | None = None):
        """Explains a transcript: which part of the recording is each character.

        Args:
            recording: One recording, as for `infer`.
            text: str. The transcript, such as one that `infer` has found with options. Defaults to
                `None`: that of `infer`.

        Returns:
            A `zoo.explain.Spectrogram`, which `.save("alignment.png")` draws: of CTC the most
            probable alignment of the characters, of a decoder its attention weights. Of several
            models it is that by which `infer` times words.

        Raises:
            ValueError: if the model cannot write a character of the text.
        """
        from zoo.explain import Spectrogram

        (samples,) = self._read([recording])
        inputs = self._collate(
            [samples], bucket_size(self.preprocessor.length(samples), MIN_LENGTH)
        )
        decode = self._decoder(self._options({})) if text is None else self._given(text)
        (found,) = self._write(decode, [samples], inputs, [0])
        answer = self._transcription(samples, found)
        model, spans = self._aligner(), found.spans
        backbone = model.backbone
        count = -(-len(samples) // backbone.hop_length)
        features = predict(model._features, list(inputs))[0, :count].astype("float32")
        frame_seconds = backbone.hop_length / backbone.sampling_rate
        factor = backbone.samples_per_step // backbone.hop_length
        return Spectrogram(
            features,
            frame_seconds,
            backbone.log_mel.band_centres(),
            found.pieces,
            spans and [(start * factor, min(end * factor, count)) for start, end in spans],
            found.weights,
            None if found.weights is None else frame_seconds * factor,
            answer.text,
            [(word.text, word.start, word.end) for word in answer.words],
        )

    def _given(self, text):
        """As `_decoder`, of one recording: returns a text, with a score that stands for nothing."""
        found = [Hypothesis(text, 0.0, 0.0)], self.token_ids("text", text)
        return lambda *_: [found]

    def _aligner(self):
        """The alignment model: the first member with a CTC head, or else the first."""
        return next((it for it in self.members() if it.ctc is not None), self.members()[0])

    def text(self, token_ids) -> str:
        return super().text(token_ids).strip()

    def encoder_inputs(self, inputs):
        return inputs["audio"], inputs["audio_length"]

    def _decoder(self, options):
        """A function from encoder inputs, the steps of CTC and the places of the recordings.

        There are steps, or `None`, of each recording that does not just fill the batch, for which
        it returns a pair: hypotheses, best first, and the tokens of the first of them.

        Raises:
            ValueError: if an option asks for what the model cannot do.
        """
        (first, *others) = self.members()
        if not others and not first.has_decoder and options.by_frames:
            lexicon = self.preprocessor.lexicon(options.words)
            return functools.partial(self._by_frames, options, lexicon)
        self._language_model(options)  # is refused before anything is read
        return functools.partial(self._by_tokens, options, self.search(options))

    def _by_frames(self, options, lexicon, inputs, all_steps, rows):
        found = []
        for steps in all_steps:
            if options.beam == 1 and lexicon is None:
                labels = [tuple(it.label for it in ctc.greedy_labels(steps))]
            else:
                searched = ctc.prefix_beam_search(
                    steps, options.beam, options.n_best, lexicon=lexicon
                )
                labels = [it.labels for it in searched]
            exact = [(ctc.labels_log_probability(steps, one), one) for one in labels]
            exact.sort(key=lambda it: it[0], reverse=True)
            hypotheses = [Hypothesis(self.text(one), score, score) for score, one in exact]
            warn_of_fewer(len(hypotheses), options.n_best)
            found.append((hypotheses, exact[0][1]))
        return found

    def _by_tokens(self, options, search, inputs, all_steps, rows):
        found, answers = search(*inputs, rows=rows), []
        for row in range(len(all_steps)):
            hypotheses = self.hypotheses(found, row, options, rows[row])
            written = map(self._written, found.tokens[row])
            answers.append((hypotheses, self._first(written, hypotheses[0].text)))
        return answers

    def _first(self, written, text):
        """The tokens of a text, of those that were written."""
        return next(ids for ids in written if self.text(ids) == text)

    def _write(self, decode, recordings, inputs, rows) -> list[Written]:
        """Results of the search for recordings.

        Args:
            decode: See `_decoder`.
            recordings: Arrays of samples, without those that fill the batch.
            inputs: The encoder inputs of the batch.
            rows: The places of the recordings, and of those that fill the batch.
        """
        model = self._aligner()
        steps = [None] * len(recordings)
        if model.ctc is not None:
            steps = model.ctc_steps(recordings, inputs)
        found = decode(inputs, steps, rows)
        weights = [None] * len(recordings)
        if model.has_decoder:
            weights = model.token_weights(recordings, inputs, [list(ids) for _, ids in found])
        return [
            Written(
                hypotheses,
                self._pieces(ids),
                None if one is None else model.token_spans(one, ids),
                its_weights,
            )
            for (hypotheses, ids), one, its_weights in zip(found, steps, weights, strict=True)
        ]

    def _transcription(self, samples, found, n_best=None):
        hypotheses, pieces, spans, weights = found
        backbone = self._aligner().backbone
        seconds = backbone.samples_per_step / backbone.sampling_rate
        duration = len(samples) / backbone.sampling_rate
        words = []  # without an alignment
        if spans is not None:
            words = words_of_spans(pieces, spans, seconds, duration)
        elif weights is not None:
            words = words_of_weights(pieces, weights, seconds, duration)
        best = hypotheses[0]
        return Transcription(best.text, best.score, words, hypotheses[:n_best])

    def _read(self, recordings):
        is_array = isinstance(recordings, np.ndarray)
        if is_array or isinstance(recordings, str | bytes) or not isinstance(recordings, Iterable):
            raise TypeError(
                "Recordings must come in a list, even a single one. "
                f"Received: recordings={recordings!r:.80}"
            )
        return require_preprocessor(self.preprocessor).read(recordings)

    def _collate(self, recordings, length):
        return self.encoder_inputs(self.preprocessor.collate_audio(recordings, length))

    def _reference_loss(self, recordings, texts, batch_size) -> dict[str, float]:
        """The loss of training, by name, of what has one."""
        return {}

    def _written(self, token_ids):
        """Tokens without the end token and padding."""
        tokenizer = self.preprocessor.tokenizer
        special = (tokenizer.pad_token_id, tokenizer.end_token_id)
        return [int(i) for i in token_ids if int(i) not in special]

    def _pieces(self, token_ids):
        tokenizer = self.preprocessor.tokenizer
        return tokenizer.readable([tokenizer.id_to_token(int(i)) for i in token_ids])
