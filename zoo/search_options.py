"""Options of beam search, declared once. Imports no Keras."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from zoo.checks import (
    MAX_BEAM,
    MAX_LENGTH,
    MAX_PENALTY,
    MIN_REPETITION_PENALTY,
    check_beam,
    check_groups,
    check_integer,
    check_limits,
    check_number,
    check_penalties,
    check_repetition_penalty,
)
from zoo.sampling_options import MAX_SEED, MAX_TEMPERATURE, MAX_TOP_K, MIN_TOP_P
from zoo.unicode import compose

MAX_SAMPLES = 256  # each is compared with each

# The smallest and the largest value of each option.
SEARCH_BOUNDS: dict[str, tuple[Any, Any]] = {
    "beam": (1, MAX_BEAM),
    "length_penalty": (0.0, MAX_PENALTY),
    "coverage_penalty": (0, MAX_PENALTY),
    "n_best": (1, MAX_BEAM),
    "max_length": (1, MAX_LENGTH),
    "min_length": (0, MAX_LENGTH - 1),
    "no_repeat_ngram": (0, MAX_LENGTH),
    "repetition_penalty": (MIN_REPETITION_PENALTY, MAX_PENALTY),
    "groups": (1, MAX_BEAM),
    "diversity": (0, MAX_PENALTY),
    "temperature": (0, MAX_TEMPERATURE),
    "top_k": (0, MAX_TOP_K),
    "top_p": (MIN_TOP_P, 1.0),
    "seed": (0, MAX_SEED),
    "mbr": (0, MAX_SAMPLES),
    "ctc_weight": (0.0, 1.0),
    "language_model_weight": (0.0, MAX_PENALTY),
}
MIN_TEMPERATURE = 0.01  # of drawing


@dataclass(frozen=True)
class SearchOptions:
    """Options by which texts are searched for, or drawn, as keywords of `infer` and `score`.

    `temperature` and those after it rule a random choice; `max_length` to `forbidden` limit it as
    they limit a beam search, which all others rule.

    Args:
        beam: int. Hypotheses kept at each step; `1` is greedy search. Defaults to `5`.
        length_penalty: float. Wu's alpha: `0` favours short texts most. Defaults to `None`: that of
            the model.
        coverage_penalty: float. Wu's beta: ranks hypotheses lower that leave parts of the input
            without attention. Needs a model with attention. Defaults to `0.0`.
        n_best: int. Hypotheses returned for each input, at most `beam`. Defaults to `1`.
        max_length: int. Most tokens of a generated text. Defaults to `None`: chosen by the task.
        min_length: int. Fewest tokens of a generated text. Defaults to `0`.
        no_repeat_ngram: int. Size of the n-grams that may not be repeated in a text. Defaults to
            `0`: any may.
        repetition_penalty: float. Above 1, words that a text has become less probable in it, as
            in `transformers`: see `zoo.decoding.beam_search`. Defaults to `1.0`: none.
        prefix: str. How each text begins. Defaults to `""`: as the model likes.
        forbidden: Words or phrases that no text may contain, as a list, or in one string with
            commas. They are forbidden as the tokenizer writes them, capitals and all, and where
            a longer word begins with them. Defaults to `()`: none.
        glossary: Pairs of a source and a target term, as a dictionary, a list, or in one string
            such as `"bike=Fahrrad, dog=Hund"`. Where a source has a source term, as whole words
            and whatever its capitals, its text must contain the target term, read as `forbidden`
            words are. Only where inputs are texts. Defaults to `()`: none.
        groups: int. Groups of equal size that the beam is divided into, each of which avoids the
            words of those before it, so that the `n_best` texts differ more (diverse beam search).
            Defaults to `1`: none.
        diversity: float. How much the groups avoid each other's words, in nats. Defaults to `0.5`.
        temperature: float. Above 0, each token is drawn at random, from logits that are divided by
            it: texts vary less below 1, and more above. Defaults to `0.0`: a beam search.
        top_k: int. How many of the most probable tokens may be drawn. Defaults to `0`: all.
        top_p: float. The most probable tokens that together have this share of the probability
            may be drawn. Defaults to `1.0`: all.
        seed: int. The same seed draws the same texts. Defaults to `None`: others each time.
        mbr: int. Texts to draw for each input, of which those most like the others, by mean chrF,
            are returned (minimum Bayes risk). Their score is the mean chrF, from 0 to 100. Defaults
            to `0`: `n_best` texts are drawn, and returned with the most probable first.

    Raises:
        ValueError: if an option is of another type or out of its range, or has no effect beside
            others.

    References:
        - Penalties: Wu et al. 2016, "Google's Neural Machine Translation System", equation 14.
        - Repetition penalty: Keskar et al. 2019, "CTRL", section 4.1.
        - Groups: Vijayakumar et al. 2018, "Diverse beam search".
        - Minimum Bayes risk: Kumar and Byrne 2004; with samples, Eikema and Aziz 2020.
    """

    beam: int = 5
    length_penalty: float | None = None
    coverage_penalty: float = 0.0
    n_best: int = 1
    max_length: int | None = None
    min_length: int = 0
    no_repeat_ngram: int = 0
    repetition_penalty: float = 1.0
    prefix: str = ""
    forbidden: str | Sequence[str] = ()
    glossary: str | Mapping[str, str] | Sequence[tuple[str, str]] = ()
    groups: int = 1
    diversity: float = 0.5
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    mbr: int = 0

    @property
    def draws(self) -> bool:
        """True if tokens are drawn, and not searched for."""
        return self.temperature > 0

    @property
    def width(self) -> int:
        """The number of texts that are written side by side for an input."""
        return max(self.mbr, self.n_best) if self.draws else self.beam

    @property
    def texts(self) -> dict[str, Any]:
        """The options that are texts, with their defaults: no part of a compiled search."""
        return {"prefix": "", "forbidden": (), "glossary": ()}

    def __post_init__(self):
        check_number("temperature", self.temperature, 0, MAX_TEMPERATURE)
        if 0 < self.temperature < MIN_TEMPERATURE:
            raise ValueError(
                "`temperature` must be 0, for a beam search, or at least 0.01. "
                f"Received: temperature={self.temperature}"
            )
        check_beam(self.beam, 1 if self.draws else self.n_best)
        check_penalties(self.length_penalty or 0.0, self.coverage_penalty)
        check_groups(self.groups, self.diversity, self.beam)
        check_integer("min_length", self.min_length, 0, MAX_LENGTH - 1)
        check_integer("no_repeat_ngram", self.no_repeat_ngram, 0, MAX_LENGTH)
        check_repetition_penalty(self.repetition_penalty)
        if self.max_length is not None:
            check_limits(self.max_length, self.min_length)
        if not isinstance(self.prefix, str):
            raise ValueError(f"`prefix` must be a string. Received: prefix={self.prefix!r}")
        object.__setattr__(self, "forbidden", _words(self.forbidden))
        object.__setattr__(self, "glossary", _pairs(self.glossary))
        self._check_effects()

    def _check_effects(self):
        """Refuses options that have no effect beside others."""
        integers = ("top_k", "mbr") if self.seed is None else ("top_k", "mbr", "seed")
        for name in integers:
            check_integer(name, getattr(self, name), *SEARCH_BOUNDS[name])
        check_number("top_p", self.top_p, *SEARCH_BOUNDS["top_p"])
        if self.groups == 1 and (given := self._changed("diversity")):
            raise ValueError(
                "`diversity` is for groups of a beam: set `groups` above 1, or leave it out. "
                f"Received: groups=1, {given}"
            )
        if self.groups > 1 and (given := self._changed("glossary")):
            raise ValueError(
                "A beam is divided into groups, or among the terms of a glossary: leave one out. "
                f"Received: groups={self.groups}, {given}"
            )
        if not self.draws:
            if given := self._changed("top_k", "top_p", "seed", "mbr"):
                raise ValueError(
                    "`top_k`, `top_p`, `seed` and `mbr` are for texts that are drawn: set "
                    "`temperature` above 0, such as 1, or leave them out. "
                    f"Received: temperature={self.temperature}, {given}"
                )
            return
        searching = ("beam", "length_penalty", "coverage_penalty", "glossary", "groups")
        if given := self._changed(*searching):
            raise ValueError(
                f"Drawn texts are not searched for: leave out {', '.join(searching)}, or set "
                "temperature 0. "
                f"Received: temperature={self.temperature}, {given}"
            )
        check_integer("n_best", self.n_best, 1, MAX_BEAM)
        if self.mbr and not 2 <= max(self.n_best, 2) <= self.mbr:
            raise ValueError(
                "`mbr` must be at least 2, and at least `n_best`, which are chosen from so many "
                f"texts. Received: mbr={self.mbr}, n_best={self.n_best}"
            )

    def _changed(self, *names: str) -> str:
        """Those of the options that have not their defaults, as they are written in a call."""
        defaults = {field.name: field.default for field in fields(self)}
        given = {name: getattr(self, name) for name in names}
        return ", ".join(
            f"{name}={value!r}" for name, value in given.items() if value != defaults[name]
        )


@dataclass(frozen=True)
class TranscriptionOptions(SearchOptions):
    """Options of the search for a transcript: those of `SearchOptions`, and more.

    Args:
        words: The words that may be written: `"auto"`, the list of the model, if it has one;
            `"none"`, any; a list; or the path of a file with one on each line. Defaults to
            `"auto"`.
        ctc_weight: float. The weight of CTC beside that of the decoder, from 0 to 1. Only of models
            with both, or ensembles of both. Defaults to `None`: that of the model.
        language_model: A `CausalLM` whose tokens are characters: a name or a directory, as for
            `zoo.load`, or the model itself. Adds the logarithm of the probability that it gives a
            text to the score of the text ("shallow fusion"). Defaults to `""`, or `None`: none.
        language_model_weight: float. The weight of the language model. Defaults to `0.3`.
        mbr: int. As in `SearchOptions`, with word errors in the place of chrF: the score is minus
            their mean number.
        **others: See `SearchOptions`.

    Raises:
        ValueError: if an option is of another type or out of its range, or has no effect beside
            others.

    References:
        - Shallow fusion: Gülçehre et al. 2015, "On using monolingual corpora in neural machine
          translation", section 4.1.
    """

    words: str | Path | Sequence[str] = "auto"
    ctc_weight: float | None = None
    language_model: Any = ""
    language_model_weight: float = 0.3

    @property
    def texts(self) -> dict[str, Any]:
        return super().texts | {"words": "auto"}

    @property
    def by_frames(self) -> bool:
        """True if CTC can be searched frame by frame: with `beam`, `n_best` and `words` alone."""
        names = {field.name for field in fields(self)} - {"beam", "n_best", "words"}
        return not self._changed(*names)

    def __post_init__(self):
        super().__post_init__()
        words: Any = self.words
        is_list = isinstance(words, list | tuple | set | frozenset)
        if not words or not (is_list or isinstance(words, str | Path)):
            raise ValueError(
                "`words` must be 'auto', 'none', a list of words, or the path of a file with one "
                f"on each line. Received: words={words!r}"
            )
        if is_list:
            object.__setattr__(self, "words", tuple(words))
        if self.ctc_weight is not None:
            check_number("ctc_weight", self.ctc_weight, *SEARCH_BOUNDS["ctc_weight"])
        model = self.language_model
        if model is None:
            object.__setattr__(self, "language_model", "")
        elif not isinstance(model, str | Path) and not hasattr(model, "backbone"):
            raise ValueError(
                "`language_model` must be a `CausalLM`, or a name or a directory of one. "
                f"Received: language_model={model!r:.200}"
            )
        bounds = SEARCH_BOUNDS["language_model_weight"]
        check_number("language_model_weight", self.language_model_weight, *bounds)
        if not self.language_model and (given := self._changed("language_model_weight")):
            raise ValueError(
                "`language_model_weight` needs a `language_model`: name one, or leave it out. "
                f"Received: {given}, language_model={self.language_model!r}"
            )


def _words(forbidden: Any) -> tuple[str, ...]:
    """The words of a list, or of a string with commas."""
    given = forbidden
    if isinstance(given, str):
        given = [word.strip() for word in given.split(",")] if given.strip() else []
    if not isinstance(given, list | tuple) or not all(
        isinstance(word, str) and word.strip() for word in given
    ):
        raise ValueError(
            "`forbidden` must be a list of words, or a string of them with commas. "
            f"Received: forbidden={forbidden!r}"
        )
    return tuple(given)


def _pairs(glossary: Any) -> tuple[tuple[str, str], ...]:
    """The pairs of a dictionary, a list, or a string with commas; each once."""
    given = glossary
    if isinstance(given, str):
        items = given.split(",") if given.strip() else []
        given = [tuple(item.split("=", 1)) for item in items]
    elif isinstance(given, Mapping):
        given = list(given.items())
    pairs = [
        tuple(pair) if isinstance(pair, list | tuple) else (pair,)
        for pair in (given if isinstance(given, list | tuple) else [()])
    ]
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(term, str) and term.strip() for term in pair):
            received = pair if any(pair) else glossary
            raise ValueError(
                "`glossary` must have pairs of a source and a target term, neither of them empty, "
                f'such as {{"bike": "Fahrrad"}} or "bike=Fahrrad". Received: {received!r}'
            )
    targets: dict[str, str] = {}
    found: dict[str, tuple[str, str]] = {}
    for source, target in ((compose(one.strip()), compose(other.strip())) for one, other in pairs):
        known = targets.setdefault(source.casefold(), target)
        if known != target:
            raise ValueError(
                "A source term of `glossary` must have one target term: leave one of them out. "
                f"Received: {source!r} with {known!r} and {target!r}"
            )
        found.setdefault(source.casefold(), (source, target))
    return tuple(found.values())


def takes_search_options(method: Callable, options: type = SearchOptions) -> Callable:
    """Shows the fields of `options` in the signature of a method, in place of `**search`."""
    signature = inspect.signature(method)
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    *parameters, _ = signature.parameters.values()
    fields = inspect.signature(options).parameters.values()
    shown = signature.replace(
        parameters=[
            *(one for one in parameters if one.kind is not keyword_only),
            *(field.replace(kind=keyword_only) for field in fields),
            *(one for one in parameters if one.kind is keyword_only),
        ]
    )
    method.__signature__ = shown  # type: ignore[attr-defined]  # read by `inspect.signature`
    return method
