"""Attention weights and effects from the source tokens to each target token."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

from zoo.explain.drawable import Drawable, listed
from zoo.explain.effects import (
    ATTENTION_NOTE,
    POINTER_NOTE,
    Flip,
    check_effects,
    effect_note,
    flip_notes,
)
from zoo.explain.html import heat_map, spans
from zoo.explain.matrix import Matrix
from zoo.explain.text_boxes import labels
from zoo.explain.words import END

MAX_TOKENS = 100  # that are drawn on each side
# Full colour, in nats. An answer that becomes impossible would leave all others without colour.
MAX_EFFECT = 10.0


@dataclass
class Alignment(Drawable):
    """The weight and the effect of each source token for each target token.

    Notebooks display them as heat maps side by side, with the source along the top and the target
    down the side; `save` writes them to a file. Of more than 100 tokens on a side the first 100 are
    drawn, with a note.

    Args:
        source: The source tokens: either words or pieces that join to the text (one that starts
            a word includes the space before it), or words without spaces.
        target: The target tokens, likewise; the last may be an end token such as `</s>`.
        weights: Weights, `[target, source]`: lists or an array of finite, non-negative numbers;
            `None` if there are effects alone.
        text: The source text. Defaults to the tokens, joined; with spaces if they are words.
        translation: The target text. Defaults to its tokens, likewise.
        effects: The effect of each source token on each target token, `[target, source]`, with a
            sign. Defaults to `None`.
        method: How the effects were measured, `"occlusion"` or `"gradient"`. Defaults to
            `"occlusion"`.
        measured: What the effects of an occlusion are, as part of a sentence.
        part: What has an effect. Defaults to `"word"`.
        flips: The source tokens without which a target token is another one: a list of
            `zoo.explain.effects.Flip`.
        title: A title, such as the intent of a sentence. Defaults to `""`.
        spans: The spans of the source that the answer marks: a list of `(type, start, end)`.
        copied: The share of the probability of each target token that is copied from each source
            token, `[target, source]`; what is missing to 1 is written from the vocabulary. Defaults
            to `None`: the model does not copy.
        points: bool. Whether the target is where the weights are greatest, as of a model that
            points at words. Defaults to `False`.

    Attributes:
        weights: The weights, as lists.
        effects: The effects, as lists.
        copied: The shares, as lists.

    Raises:
        ValueError: if weights, effects or shares are not `[target, source]`, a weight or a share is
            negative, a number is not finite, or there are neither weights nor effects.

    Example:

    >>> Alignment(["Guten", " Tag"], ["Good", " day"], [[0.9, 0.1], [0.2, 0.8]]).save("map.png")
    """

    source: list[str]
    target: list[str]
    weights: list[list[float]] | None = None
    text: str = None  # type: ignore[assignment]  # `__post_init__` sets it
    translation: str = None  # type: ignore[assignment]
    effects: list[list[float]] | None = None
    method: str = "occlusion"
    measured: str = "what the probability of the answer loses when a word is left out"
    part: str = "word"
    flips: list[Flip] = field(default_factory=list)
    title: str = ""
    spans: list[tuple[str, int, int]] = field(default_factory=list)
    copied: list[list[float]] | None = None
    points: bool = False

    def __post_init__(self):
        self.source = [str(token) for token in self.source]
        self.target = [str(token) for token in self.target]
        if self.text is None:
            self.text = _joined(self.source)
        if self.translation is None:
            self.translation = _joined(self.target)
        if self.weights is None and self.effects is None:
            raise ValueError(
                "An explanation needs weights or effects. Received: weights=None, effects=None"
            )
        for name in ("weights", "copied"):
            if (values := getattr(self, name)) is not None:
                rows = zip(self.target, self._rows(name, values), strict=True)
                setattr(self, name, [self._row(*pair) for pair in rows])
        if self.effects is not None:
            self.effects = [list(map(float, row)) for row in self._rows("effects", self.effects)]
            for row in self.effects:
                check_effects(row, self.source, "source token")

    @property
    def summary(self) -> list[str]:
        # A word without which its own tag changes is no surprise. An intent precedes the tags.
        first = len(self.target) - len(self.source)
        flips = [
            flip
            for flip in self.flips
            if (flip.target or 0) != first + flip.source
            or not self.target[first + flip.source].startswith(f"{flip.without}/")
        ]
        notes = flip_notes(flips, [f"“{token.strip()}”" for token in self.target])
        return [*notes, *([] if self.copied is None else [self._copy_note()])]

    def _copy_note(self) -> str:
        """A sentence that says which words are copied: more than half of their probability."""
        copied: list[str] = []
        written: list[str] = []
        for token, shares in zip(self.target, self.copied or [], strict=True):
            if token != END:
                share = min(sum(shares), 1.0)
                named = f"“{token.strip()}” ({share:.0%})" if share > 0.5 else f"“{token.strip()}”"
                (copied if share > 0.5 else written).append(named)
        parts = {"Copied from the source": copied, "written from the vocabulary": written}
        said = [f"{what}: {', '.join(words)}" for what, words in parts.items() if words]
        note = "; ".join(said)
        return f"{note[:1].upper()}{note[1:]}." if note else "Nothing is written."

    def _figure(self):
        from zoo.explain.heat_map import draw  # imports matplotlib

        source, target, matrices, notes = self._shown()
        return draw(source, target, matrices, notes, self.title)

    def to_html(self) -> str:
        """Tables of shaded numbers, as an HTML page without external resources."""
        return heat_map.page(
            *self._shown(), self.text, self.translation, self.title, self._marked()
        )

    def to_dict(self) -> dict:
        """The fields as plain values, for JSON; those of effects only if there are any."""
        fields = asdict(self)
        if self.effects is None:
            for name in ("effects", "method", "measured", "part", "flips"):
                del fields[name]
        for name in ("weights", "copied", "title", "spans", "points"):
            if fields[name] in (None, "", [], False):
                del fields[name]
        return fields

    def _rows(self, name, values):
        rows = [listed(row) for row in listed(values)]
        if len(rows) != len(self.target):
            raise ValueError(
                f"Each target token needs one row of {name}. "
                f"Received: {len(self.target)} target tokens, {len(rows)} rows"
            )
        return rows

    def _row(self, token, row):
        try:
            row = [float(weight) for weight in row]
        except TypeError:
            raise ValueError(
                "Weights must be rows of numbers, [target, source]. "
                f"Received: {row!r} for target token {token!r}"
            ) from None
        if len(row) != len(self.source):
            raise ValueError(
                "Each target token needs one weight for each source token. "
                f"Received: {len(self.source)} source tokens, {len(row)} weights of target token "
                f"{token!r}"
            )
        for weight, read in zip(row, self.source, strict=True):
            if not math.isfinite(weight) or weight < 0:
                raise ValueError(
                    "Weights must be finite and not negative. "
                    f"Received: weight={weight} of source token {read!r} in target token {token!r}"
                )
        return row

    def _shown(self) -> tuple[list[str], list[str], list[Matrix], list[str]]:
        """The labels of columns and rows, the matrices, and sentences that explain them."""
        source = labels(self.source, self.text)[:MAX_TOKENS]
        target = labels(self.target, self.translation)[:MAX_TOKENS]
        matrices, notes = [], []
        rest = {
            "source": len(self.source) - len(source),
            "target": len(self.target) - len(target),
        }
        parts = [f"{count:,} of the {side}" for side, count in rest.items() if count]
        if parts:
            out = " and ".join(parts)
            notes.append(f"Drawn: the first {MAX_TOKENS} tokens. Left out: {out}.")
        notes += self.summary
        if self.weights is not None:
            matrices.append(Matrix("attention", self.weights))
        if self.copied is not None:
            matrices.append(Matrix("copied", self.copied, limit=1.0))
        if self.effects is not None:
            marks = frozenset((flip.target or 0, flip.source) for flip in self.flips)
            shown = Matrix("against ↔ for", self.effects, True, marks)
            is_beyond = shown.greatest > MAX_EFFECT
            matrices.append(replace(shown, limit=MAX_EFFECT) if is_beyond else shown)
            notes.append(effect_note(self.method, self.measured, self.part))
            if is_beyond:
                notes.append(f"Full colour begins at {MAX_EFFECT:.0f}: some effects are larger.")
        if self.weights is not None:
            notes.append(POINTER_NOTE if self.points else ATTENTION_NOTE)
        return source, target, [matrix.cropped(MAX_TOKENS) for matrix in matrices], notes

    def _marked(self) -> str:
        """The source with its spans marked, as HTML; `""` without spans."""
        if not self.spans:
            return ""
        separator = "" if self.text == "".join(self.source) else " "
        return spans.to_html(self.source, self.spans, separator)


def _joined(tokens: Sequence[str]) -> str:
    """The text of the tokens, joined with spaces if they are words."""
    pieces = any(token[:1].isspace() for token in tokens[1:])
    return ("" if pieces else " ").join(tokens)
