"""Generated English film reviews in which no word alone decides.

A grammar combines phrases ("not very good at all", "anything but good", "not bad but good") with
the frames around them ("the plot was …", "everybody found the plot …"), clauses with what they
depend on ("nobody could say that …"), questions with answers, and two clauses with one another. Dev
and test have combinations that train lacks, of parts that it has. Every review has a twin with the
other label in the same split, the same sentence with the good and the bad word exchanged; for a
fifth, that is the same words in another order.
"""

import itertools
import random
import re
from collections.abc import Sequence
from typing import NamedTuple

from zoo.data.dataset import Columns, Dataset, DatasetCard, as_dataset, check_sizes

# All begin with a consonant, for "a {w} film".
GOOD = (
    "brilliant", "charming", "clever", "delightful", "funny", "good", "great", "gripping",
    "lovely", "moving", "refreshing", "wonderful",
)  # fmt: skip
BAD = (
    "bad", "boring", "clumsy", "dreadful", "dull", "lifeless", "painful", "pointless",
    "silly", "terrible", "tedious", "weak",
)  # fmt: skip
THINGS = (
    "acting", "camera work", "cast", "dialogue", "ending", "film", "movie", "music", "pace",
    "plot", "script", "story",
)  # fmt: skip
# Words that take one another's place anywhere.
FILLERS = {
    "film": ("film", "movie"),
    "work": ("cast", "ending", "film", "movie", "plot", "script", "story"),
    "the": ("the", "this"),
    "was": ("was", "is"),
    "strongly": ("deeply", "really", "truly", "very"),
    "weakly": ("barely", "hardly", "scarcely"),
    "we": ("I", "everybody", "my sister", "we"),
    "found": ("called", "found"),
}
ASIDES = (
    "I saw it on a Monday.",
    "It runs for two hours.",
    "My sister came along.",
    "The story begins in a small town.",
    "We sat in the third row.",
)


class Part(NamedTuple):
    """Words with a place `_` for another part, `{w}` for an opinion and `{l}` for its opposite.

    Attributes:
        text: The words.
        negates: Whether it inverts the sentiment of what takes the place of `_` or `{w}`.
    """

    text: str
    negates: bool = False


def _affirming(*texts: str) -> list[Part]:
    return [Part(text) for text in texts]


def _negating(*texts: str) -> list[Part]:
    return [Part(text, negates=True) for text in texts]


def _phrases(*words: str) -> list[Part]:
    """An opinion with and without an adverb, affirmed and negated."""
    negations = itertools.product(words, ("", " at all"), ("not", "never", "by no means"))
    return [
        *_affirming(*words, f"nothing but {words[0]}", f"never not {words[0]}"),
        *_negating(*(f"{no} {words[0]}" for no in ("{weakly}", "anything but", "far from"))),
        *_negating(*(f"{no} {word}{end}" for word, end, no in negations)),
    ]


OPINIONS = _affirming("{w}", "{strongly} {w}")
ADJECTIVES = _phrases("{w}", "{strongly} {w}")
NOUNS = _phrases("a {w} {film}", "a {strongly} {w} {film}")
CONTRASTS = _affirming(
    "not {l} but {w}", "never {l} but {w}", "not {l} at all but {w}",
    "never {l} and always {w}", "{w}, not {l}", "{w}, never {l}", "{w} rather than {l}",
    "{w} and not {l} at all", "{w} and never {l}", "not a {l} {film} but a {w} one",
    "a {w} {film} rather than a {l} one", "a {w} {film}, not a {l} one",
)  # fmt: skip
ADJECTIVE_FRAMES = _affirming("{the} {a} {was} _", "it {was} _", "{we} found the {a} _")
NOUN_FRAMES = _affirming("it {was} _", "this {was} _", "{we} found it _")
AFFIRMED = _affirming(
    "there {was} a _ {work}", "there {was} something _ about the {a}",
    "everything about the {a} {was} _", "{we} saw a _ {film}",
)  # fmt: skip
NEGATED = _negating(
    "there {was} no _ {work}", "there {was} never a _ {work}",
    "there {was} nothing _ about the {a}", "nothing about the {a} {was} _",
    "nobody {found} the {a} _", "I never {found} the {a} _",
    "I did not find the {a} _", "there {was} no _ {work} in sight",
)  # fmt: skip
AFFIRMED_FRAGMENTS = _affirming("what a _ {work}", "_ {work}")
NEGATED_FRAGMENTS = _negating("no _ {work}", "no _ {work} in sight")
# What follows clauses without changing what they mean.
AFFIRMED_ENDS = _affirming("_", "_ indeed", "_ this time")
NEGATED_ENDS = _affirming("_", "_ at all", "_ this time")
QUESTIONS = _affirming("{was} it _", "{was} the {a} _", "{was} it a _ {film}")
ANSWERS = [
    *_affirming("_? Yes", "_? Of course", "_? Indeed"),
    *_negating("_? No", "_? Never", "_? Not at all"),
]
# What a clause depends on.
STANCES = [
    *_affirming("I think that _", "everybody agreed that _"),
    *_negating("nobody could say that _", "it is not true that _", "I do not think that _"),
    *_affirming("is it true that _? Yes", "is it true that _? Of course"),
    *_negating("is it true that _? No", "is it true that _? Not at all"),
]
# Two clauses: `{0}` and `{1}` with the sentiment of the label, `{other}` with the opposite one.
JOINED = (
    "{0}, and {1}",
    "is it true that {0}? Yes, {1}",
    "{other}, but {0}",
    "{other} but {0}",
    "although {other}, {0}",
    "{0}, although {other}",
    "is it true that {other}? No, {0}",
)


def _combine(frames: Sequence[Part], phrases: Sequence[Part]) -> list[list[Part]]:
    """The phrases in each frame: a list of a frame's combinations in the order of the phrases."""
    return [
        [Part(frame.text.replace("_", it.text), frame.negates != it.negates) for it in phrases]
        for frame in frames
    ]


def _flat(rows: Sequence[Sequence[Part]]) -> list[Part]:
    return list(itertools.chain.from_iterable(rows))


def _of_split(split: str, rows: Sequence[Sequence[Part]], every: int = 8) -> list[Part]:
    """Those of a split: of `every` combinations of a frame, dev and test have one each.

    Which one shifts from frame to frame, so that train has each frame and each phrase.
    """
    splits = {every - 1: "dev", every // 2 - 1: "test"}
    return [
        combination
        for i, row in enumerate(rows)
        for j, combination in enumerate(row)
        if splits.get((i + j) % every, "train") == split
    ]


# What stances take.
SIMPLE = [
    *_combine(ADJECTIVE_FRAMES, ADJECTIVES),
    *_combine(NOUN_FRAMES, NOUNS),
    *_combine(AFFIRMED_ENDS, _flat(_combine(AFFIRMED, OPINIONS))),
    *_combine(NEGATED_ENDS, _flat(_combine(NEGATED, OPINIONS))),
]
CLAUSES = [*SIMPLE, *_combine(_affirming("{the} {a} {was} _", "it {was} _"), CONTRASTS)]
# Without a verb, or in two sentences.
EXCLAMATIONS = [
    ADJECTIVES,
    NOUNS,
    CONTRASTS,
    *_combine(AFFIRMED_ENDS, _flat(_combine(AFFIRMED_FRAGMENTS, OPINIONS))),
    *_combine(NEGATED_ENDS, _flat(_combine(NEGATED_FRAGMENTS, OPINIONS))),
    *_combine(ANSWERS, _flat(_combine(QUESTIONS, OPINIONS))),
]


class _Grammar:
    """The combinations of a split."""

    def __init__(self, split: str):
        self.known = _of_split("train", CLAUSES)
        self.clauses = _of_split(split, CLAUSES)
        self.exclamations = _of_split(split, EXCLAMATIONS)
        self.dependent = _of_split(split, _combine(STANCES, _of_split("train", SIMPLE)))
        if split != "train":
            self.dependent += _flat(_combine(STANCES, _of_split(split, SIMPLE)))

    def review(self, source: random.Random) -> str:
        """A positive review with places for words."""
        kinds = (self.clauses, self.exclamations, self.dependent, None)
        (parts,) = source.choices(kinds, (25, 25, 15, 35))
        if parts:
            return _positive(_draw(source, parts))
        # One of two joined clauses is of the split's own, the other may be one of train.
        pair = [_draw(source, self.clauses), _draw(source, self.known)]
        source.shuffle(pair)
        first, second = pair
        other = second._replace(negates=not second.negates)
        return source.choice(JOINED).format(*map(_positive, pair), other=_positive(other))


def _draw(source: random.Random, parts: Sequence[Part]) -> Part:
    """An affirmed or a negated part, equally often, so that no word alone decides."""
    negates = source.random() < 0.5
    return source.choice([it for it in parts if it.negates == negates])


def _positive(part: Part) -> str:
    """The text of a part in which `{w}` has the sentiment that makes the whole positive."""
    if not part.negates:
        return part.text
    return re.sub(r"\{([wl])\}", lambda place: "{l}" if place[1] == "w" else "{w}", part.text)


class GeneratedReviews:
    """Reviews with a label, generated from a seed at each load."""

    card = DatasetCard(
        name="generated_reviews",
        task="text_classifier",
        languages=("en",),
        licence="Apache-2.0",
        citation="Generated by this library.",
        homepage="",
        description="Made-up English reviews: negation and contrast decide, never a word alone.",
        splits={"train": 5_000, "dev": 500, "test": 500},
    )

    def load(self, train: int = 5_000, dev: int = 500, test: int = 500, seed: int = 0) -> Dataset:
        """Generates three splits that share no review, half of each positive.

        Each split has combinations of its own, of the same parts.

        Args:
            train: int. Number of rows of train; even, because twins come in pairs.
            dev: int. Number of rows of dev, even.
            test: int. Number of rows of test, even; 0 for no test split.
            seed: int. Seed of the generator. Defaults to `0`.
        """
        sizes = {"train": train, "dev": dev, "test": test}
        for split, size in sizes.items():
            smallest = 0 if split == "test" else 2
            if not isinstance(size, int) or size < smallest or size % 2:
                raise ValueError(
                    f"generated_reviews makes pairs: {split} must be an even number of at least "
                    f"{smallest}. Received: {split}={size!r}"
                )
        check_sizes(sizes)
        source = random.Random(seed)
        seen: set[str] = set()
        splits = {split: _split(source, split, size, seen) for split, size in sizes.items() if size}
        return as_dataset(self.card, splits, labels=("negative", "positive"))


def _split(source: random.Random, split: str, size: int, seen: set[str]) -> Columns:
    reviews: list[tuple[str, str]] = []
    grammar = _Grammar(split)
    while len(reviews) < size:
        positive, negative = _twins(source, grammar.review(source))
        if not {positive, negative} & seen:
            seen |= {positive, negative}
            reviews += [(positive, "positive"), (negative, "negative")]
    source.shuffle(reviews)
    return {"text": [text for text, _ in reviews], "label": [label for _, label in reviews]}


def _twins(source: random.Random, text: str) -> tuple[str, str]:
    """A positive and a negative review of a text with places for words, sometimes with an aside."""
    things = iter(source.sample(THINGS, 2))

    def fill(place: re.Match) -> str:
        return next(things) if place[1] == "a" else source.choice(FILLERS[place[1]])

    text = re.sub(r"\{(a|[a-z]{2,})\}", fill, text)
    text += source.choice("..!") if source.random() < 0.8 else ""
    good, bad = source.choice(GOOD), source.choice(BAD)
    aside = f" {source.choice(ASIDES)}" if source.random() < 0.2 else ""
    positive, negative = text.format(w=good, l=bad), text.format(w=bad, l=good)
    if not text.endswith((".", "!")):
        return positive, negative  # as some write
    return positive[0].upper() + positive[1:] + aside, negative[0].upper() + negative[1:] + aside
