"""Beam search and drawing of texts by models that write."""

import math
import operator
import secrets
from dataclasses import replace
from typing import Any

import numpy as np
from keras import ops

from zoo.decoding import Hypotheses, beam_search, compiled, sample, score, token_table
from zoo.decoding.blocking import LOWEST
from zoo.decoding.draws import draw_arguments, draw_kind, random_numbers, sampler_of
from zoo.decoding.programs import built_once
from zoo.models.batching import rows_within
from zoo.models.checks import require_preprocessor, warn_of_fewer
from zoo.models.generation.minimum_risk import chrf, with_utilities
from zoo.models.generation.outputs import Hypothesis
from zoo.search_options import SearchOptions


class TextSearch:
    """Search of texts that a model, or several together, find probable.

    A subclass has a `preprocessor` and defines `members`, `decoding` and `default_max_length`.

    Attributes:
        length_penalty: float. That of a search for which none is given.
    """

    length_penalty = 1.0

    takes_glossary = False  # if its inputs are texts
    utility = staticmethod(chrf)  # by which minimum Bayes risk compares texts
    coverage_rule = "needs a model with attention"
    preprocessor: Any

    def members(self):
        """The tasks that write together: a list, in most cases of the task itself."""
        raise NotImplementedError

    def decoding(self, encoder_inputs, max_length):
        """The step of `zoo.decoding` functions, its first state, and the mask of the memory."""
        raise NotImplementedError

    def _searching(self, encoder_inputs, max_length, options=None):
        """The same, and whether `zoo.decoding` is to normalize what the step returns.

        Args:
            options: The `SearchOptions`. Defaults to `None`: its defaults.
        """
        return *self.decoding(encoder_inputs, max_length), True

    def layers_of(self, options):
        """The models whose weights a search uses."""
        return self.members()

    def default_max_length(self, *encoder_inputs):
        """The most tokens to generate where `max_length` is not given."""
        raise NotImplementedError

    def search(self, options: SearchOptions | None = None, return_attention: bool = False):
        """A beam search that is compiled once for each shape of its inputs.

        Args:
            options: A `SearchOptions`. Defaults to its defaults.
            return_attention: bool. Whether to return the attention weights too.

        Returns:
            A function from encoder inputs, see `encoder_inputs`, to `zoo.decoding.Hypotheses` of
            NumPy arrays. Its keyword `required` takes an array of `zoo.decoding.required_table`:
            the tokens that each text must contain; `rows` the places of the inputs among all that
            are asked, of which each has other random numbers where texts are drawn.

        Raises:
            ValueError: if the task has no preprocessor, a coverage penalty is asked of a model
                without attention, a glossary of one whose inputs are no texts, or the prefix or the
                forbidden words cannot be written, do not fit `max_length`, or contradict each
                other.
        """
        options = self.completed(options or SearchOptions())
        if options.coverage_penalty and not self.has_attention:
            raise ValueError(
                f"`coverage_penalty` {self.coverage_rule}; leave it at 0. "
                f"Received: coverage_penalty={options.coverage_penalty}"
            )
        require_preprocessor(self.preprocessor)
        if options.glossary and not self.takes_glossary:
            raise ValueError(
                "`glossary` needs texts as inputs, in which its source terms may occur: leave it "
                "out of this model. "
                f"Received: glossary={options.glossary!r}"
            )
        tables = self._tables(options)
        # The tokens are arguments of the program, which is the same for other words; so are the
        # numbers by which texts are drawn.
        kind, given = draw_kind(options), options
        options = replace(options, **options.texts)
        if options.groups > 1:  # of which texts that are the same are left out later
            options = replace(options, n_best=options.beam)
        if kind is not None:
            options = replace(options, temperature=1.0, top_k=0, top_p=1.0, seed=None)
            seed = secrets.randbits(62) if given.seed is None else given.seed

        def run(*encoder_inputs, required=None, rows=None):
            arrays = tables if required is None else tables | {"required": required}
            program = self._program(options, return_attention, tuple(arrays), kind)
            if kind is None:
                return program(*arrays.values(), *encoder_inputs)
            rows = range(len(encoder_inputs[0])) if rows is None else rows
            length = self._max_length(options, arrays, encoder_inputs)
            numbers = [random_numbers(seed, row, options.width * length) for row in rows]
            uniform = np.reshape(numbers, (-1, length))
            drawing = draw_arguments(given, kind, uniform)
            return program(*arrays.values(), *encoder_inputs, *drawing)

        return run

    def completed(self, options: SearchOptions) -> SearchOptions:
        """The options, with the length penalty of the model where a beam search has none."""
        if options.draws or options.length_penalty is not None:
            return options
        return replace(options, length_penalty=self.length_penalty)

    def scorer(self, options: SearchOptions):
        """Scores of given texts, compiled once for each shape of its inputs.

        Args:
            options: A `SearchOptions`, of which both penalties count.

        Returns:
            A function from tokens `[batch, max_length]` and encoder inputs to
            `zoo.decoding.Hypotheses` of NumPy arrays.
        """
        tokenizer, options = self.preprocessor.tokenizer, self.completed(options)
        settings = options.length_penalty, options.coverage_penalty

        def run(tokens, *encoder_inputs):
            step, state, mask, normalize = self._searching(encoder_inputs, tokens.shape[-1])
            ends = tokenizer.start_token_id, tokenizer.end_token_id
            return score(step, state, tokens, *ends, *settings, normalize, source_mask=mask)

        if settings not in self._programs:
            program = _as_arrays(compiled(run, layers=self.members()))
            self._programs.setdefault(settings, program)
        return self._programs[settings]

    def _program(self, *settings):
        """The compiled search with these settings; of threads that ask, the first compiles."""
        if settings not in self._programs:
            self._programs.setdefault(settings, self._compile_search(*settings))
        return self._programs[settings]

    def _max_length(self, options, arrays, encoder_inputs):
        """The most tokens to write; with what must be written twice as many as that has."""
        asked = [arrays[name].shape for name in ("prefix", "required") if name in arrays]
        return options.max_length or max(
            self.default_max_length(*encoder_inputs),
            options.min_length + 1,
            2 * sum(math.prod(shape[-2:]) for shape in asked),
        )

    def _compile_search(self, options, return_attention, names, kind):
        """A function from the arrays that are named, and encoder inputs, to `Hypotheses`.

        Where texts are drawn it takes the arguments of the kind too: see `draw_arguments`.
        """
        tokenizer = self.preprocessor.tokenizer
        count = {None: 0, "all": 2, "top_p": 3}.get(kind, 4)

        def search(*arguments):
            given = dict(zip(names, arguments, strict=False))
            encoder_inputs = arguments[len(given) : len(arguments) - count]
            max_length = self._max_length(options, given, encoder_inputs)
            step, state, mask, normalize = self._searching(encoder_inputs, max_length, options)
            shared = {
                "min_length": options.min_length,
                "no_repeat_ngram": options.no_repeat_ngram,
                "repetition_penalty": options.repetition_penalty,
                "return_attention": return_attention,
                "normalize": normalize,
                "source_mask": mask,
                "pad_id": tokenizer.pad_token_id,
                **given,
            }
            ends = tokenizer.start_token_id, tokenizer.end_token_id, max_length
            if kind is not None:
                return sample(
                    step,
                    state,
                    mask.shape[0],
                    *ends,
                    sampler=sampler_of(kind, arguments[-count:]),
                    num_samples=options.width,
                    **shared,
                )
            return beam_search(
                step,
                state,
                mask.shape[0],
                *ends,
                beam=options.beam,
                n_best=options.n_best,
                length_penalty=options.length_penalty,
                coverage_penalty=options.coverage_penalty,
                groups=options.groups,
                diversity=options.diversity,
                **shared,
            )

        return _as_arrays(compiled(search, layers=self.layers_of(options)))

    def _tables(self, options):
        """The tokens of `prefix` and `forbidden`, each only if it is given."""
        prefix = self._prefix_ids(options)
        forbidden = self._forbidden_ids(options)
        if options.max_length is not None and len(prefix) >= options.max_length:
            raise ValueError(
                "`max_length`, which counts the end token, must be larger than the number of "
                f"tokens of `prefix`. Received: max_length={options.max_length}, "
                f"prefix={options.prefix!r} of {len(prefix)} tokens"
            )
        for word, ids in forbidden:
            if contains(prefix, ids):
                raise ValueError(
                    "`prefix` must not contain a forbidden word. "
                    f"Received: prefix={options.prefix!r}, forbidden={word!r}"
                )
        tables = {}
        if prefix:
            tables["prefix"] = np.array(prefix, "int32")
        if forbidden:
            tables["forbidden"] = token_table(ids for _, ids in forbidden)
        return tables

    def token_ids(self, name, text):
        """The tokens of a text that the model can write.

        Raises:
            ValueError: if it has a character that it cannot; `name` is that of the option.
        """
        tokenizer = self.preprocessor.tokenizer
        (ids,) = tokenizer.encode([text.strip()])
        if unknown := tokenizer.unknown_characters(text):
            raise ValueError(
                f"`{name}` must have characters that the model can write; its tokenizer does not "
                f"know {', '.join(unknown)}. Received: {name}={text!r}"
            )
        return list(ids)

    def _prefix_ids(self, options):
        return self.token_ids("prefix", options.prefix) if options.prefix.strip() else []

    def _forbidden_ids(self, options):
        """Pairs of a word and its tokens; of punctuation also without the space before it."""
        tokenizer, found = self.preprocessor.tokenizer, []
        for word in options.forbidden:
            ids = self.token_ids("forbidden", word)
            found.append((word, ids))
            first = tokenizer.id_to_token(ids[0])
            if not word.strip()[0].isalnum() and first.startswith("▁"):
                glued = [tokenizer.token_to_id(first[1:])] if len(first) > 1 else []
                found.append((word, glued + ids[1:]))
        return found

    def rows_within(self, batch_size, options):
        """The batch size, or fewer rows where a wide beam would take more memory.

        Args:
            batch_size: int. Most rows.
            options: A `SearchOptions`.
        """
        return rows_within(batch_size, options.width * self.members()[0].backbone.vocabulary_size)

    @property
    def has_attention(self) -> bool:
        """True if all members have attention."""
        return all(it.backbone.attention != "none" for it in self.members())

    @built_once
    def _programs(self):
        return {}

    def hypotheses(self, found: Hypotheses, row: int, options=None, place=None) -> list[Hypothesis]:
        """The hypotheses of one input as text, best first; those that exist.

        Args:
            found: What a `search` returned.
            row: int. The row of the input.
            options: The `SearchOptions` of the search. Defaults to `None`: its defaults.
            place: int. The place of the input among all that were asked, for the error. Defaults
                to `None`: it is not named.

        Raises:
            ValueError: if the search found no text that satisfies the limits.
        """
        lengths, options = found.lengths[row], options or SearchOptions()
        # Where each continuation is blocked, the best hypothesis has a blocked token.
        possible = ~(found.log_probabilities[row] <= LOWEST / 2)
        if not possible.any():
            raise ValueError(
                "No text was found that satisfies all limits: set a larger "
                f"{'`n_best`, `mbr`' if options.draws else '`beam`'} or `max_length`, or fewer "
                f"limits. Received: {_described(options)}"
                f"{'' if place is None else f', for input number {place + 1}'}"
            )
        hypotheses = [
            Hypothesis(
                self.text(found.tokens[row, n, : lengths[n]]),
                float(found.scores[row, n]),
                float(found.log_probabilities[row, n]),
            )
            for n in np.flatnonzero(possible)
        ]
        if options.mbr:
            hypotheses = with_utilities(hypotheses, self.utility)
        if options.draws:
            key = operator.attrgetter("score", "log_probability")
            hypotheses = sorted(hypotheses, key=key, reverse=True)
        if not options.mbr and options.groups == 1:
            warn_of_fewer(len(hypotheses), len(lengths))
            return hypotheses
        different: dict[str, Hypothesis] = {}  # drawn texts may be equal, and ends of groups
        for hypothesis in hypotheses:
            different.setdefault(hypothesis.text, hypothesis)
        warn_of_fewer(len(different), options.n_best)
        return list(different.values())[: options.n_best]

    def text(self, token_ids) -> str:
        """The text of tokens, without end tokens and padding."""
        tokenizer = self.preprocessor.tokenizer
        special = (tokenizer.pad_token_id, tokenizer.end_token_id)
        ids = [int(i) for i in token_ids if int(i) not in special]
        return tokenizer.detokenize(ids) if ids else ""

    def pieces(self, token_ids) -> list[str]:
        """The text of each token, with a space before it where a word starts, but the first.

        The texts join to `text`, but for the end token, which is `</s>`.
        """
        tokenizer = self.preprocessor.tokenizer
        ids = [int(token) for token in token_ids]
        is_ended = ids[-1:] == [tokenizer.end_token_id]
        written = tokenizer.readable(map(tokenizer.id_to_token, ids[: len(ids) - is_ended]))
        return written + ["</s>"] * is_ended


def _described(options):
    """The options that limit texts, as far as they are given, and those of the beam or the draws.

    The size of a beam is named in any case.
    """
    names = ("temperature", "top_k", "top_p", "n_best", "mbr", "max_length", "min_length")
    names = (*names, "no_repeat_ngram", "prefix", "forbidden", "glossary", "words")
    given, plain = vars(options), vars(type(options)())
    names = [name for name in names if name in given and given[name] != plain[name]]
    shown = names if options.draws else ["beam", *names]
    return ", ".join(f"{name}={given[name]!r:.200}" for name in shown)


def contains(token_ids: list[int], sequence: list[int]) -> bool:
    """True if tokens contain a sequence of tokens."""
    starts = range(len(token_ids) - len(sequence) + 1)
    return any(token_ids[start : start + len(sequence)] == sequence for start in starts)


def _as_arrays(search):
    """A compiled search whose results are NumPy arrays."""

    def run(*arguments):
        tensors = search(*arguments)
        return Hypotheses(*(x if x is None else ops.convert_to_numpy(x) for x in tensors))

    return run
