"""Behaviour of a sentiment model: its answers to short sentences, by kind of sentence."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

NAMES = {
    "negative": ("negative", "neg", "bad", "부정", "부정적", "나쁨"),
    "positive": ("positive", "pos", "good", "긍정", "긍정적", "좋음"),
}


class Answer(Protocol):
    """The answer of a classifier to one text."""

    label: str
    probability: float


@dataclass(frozen=True)
class Behaviour:
    """Behaviour of a model on one set of sentences.

    Attributes:
        dataset: Name of the set, such as `"behaviour_en"`.
        kinds: For each kind its number of sentences and the number of right answers.
        mistakes: The sentences that the model got wrong, the most probable answer first: `text`,
            `kind`, `label`, `predicted` and `probability`.
        pairs: Number of pairs of sentences that must get the same answer.
        disagreements: The pairs that did not: `texts`, `predicted` and `probabilities`.
    """

    dataset: str
    kinds: dict[str, tuple[int, int]]
    mistakes: list[dict[str, Any]]
    pairs: int
    disagreements: list[dict[str, list]]

    @property
    def sentences(self) -> int:
        """Number of sentences."""
        return sum(count for count, _ in self.kinds.values())

    @property
    def right(self) -> int:
        """Number of right answers."""
        return sum(right for _, right in self.kinds.values())

    @property
    def accuracy(self) -> float:
        """Share of right answers among all sentences."""
        return self.right / self.sentences

    def metrics(self) -> dict[str, float]:
        """The shares by name: `behaviour/accuracy`, one for each kind, and `behaviour/pairs`."""
        shares = {"accuracy": self.accuracy}
        shares |= {kind: right / count for kind, (count, right) in self.kinds.items()}
        if self.pairs:
            shares["pairs"] = 1 - len(self.disagreements) / self.pairs
        return {f"behaviour/{name}": share for name, share in shares.items()}

    def table(self) -> dict[str, list]:
        """Columns `kind`, `right`, `n` and `share`: a row for each kind, then all sentences."""
        rows = {**self.kinds, "all": (self.sentences, self.right)}
        return {
            "kind": list(rows),
            "right": [right for _, right in rows.values()],
            "n": [count for count, _ in rows.values()],
            "share": [round(right / count, 4) for count, right in rows.values()],
        }

    def mistakes_table(self) -> dict[str, list]:
        """Columns `text`, `predicted`, `label`, `kind` and `probability` of the mistakes."""
        names = ("text", "predicted", "label", "kind", "probability")
        return {name: [mistake[name] for mistake in self.mistakes] for name in names}

    def summary(self) -> dict[str, Any]:
        """The table for a card: `dataset`, `kinds`, `pairs` and `pairs_agree`."""
        return {
            "dataset": self.dataset,
            "kinds": {kind: {"n": n, "right": right} for kind, (n, right) in self.kinds.items()},
            "pairs": self.pairs,
            "pairs_agree": self.pairs - len(self.disagreements),
        }


def measure_behaviour(
    dataset: str,
    columns: Mapping[str, Sequence[str]],
    answers: Sequence[Answer],
    polarity: Mapping[str, str],
) -> Behaviour:
    """Compares the answers of a model with the labels of a behaviour set.

    Args:
        dataset: Name of the set.
        columns: Its columns `text`, `label`, `kind` and `pair`.
        answers: The answer to each text, with `label` and `probability`.
        polarity: `"negative"` or `"positive"` by label of the model, as `find_polarity` returns
            it. An answer with another label, such as `neutral`, is wrong.
    """
    kinds: dict[str, tuple[int, int]] = {}
    pairs: dict[str, list[int]] = {}
    mistakes: list[dict[str, Any]] = []
    for row, answer in enumerate(answers):
        text, label, kind, pair = (columns[name][row] for name in ("text", "label", "kind", "pair"))
        is_right = polarity.get(answer.label) == label
        count, right = kinds.get(kind, (0, 0))
        kinds[kind] = (count + 1, right + is_right)
        if pair:
            pairs.setdefault(pair, []).append(row)
        if not is_right:
            mistakes.append(
                {
                    "text": text,
                    "kind": kind,
                    "label": label,
                    "predicted": answer.label,
                    "probability": round(answer.probability, 4),
                }
            )
    disagreements: list[dict[str, list]] = [
        {
            "texts": [columns["text"][row] for row in rows],
            "predicted": [answers[row].label for row in rows],
            "probabilities": [round(answers[row].probability, 4) for row in rows],
        }
        for rows in pairs.values()
        if len({answers[row].label for row in rows}) > 1
    ]
    mistakes.sort(key=lambda mistake: -mistake["probability"])
    return Behaviour(dataset, kinds, mistakes, len(pairs), disagreements)


def find_polarity(
    labels: Sequence[str], negative: str | None = None, positive: str | None = None
) -> dict[str, str]:
    """Which labels of a model are negative and which are positive.

    The labels that are given are; without them those with a known name (`negative`, `neg`, `bad`,
    `부정`, …, whatever their case); and if all labels are whole numbers, which may have a common
    prefix (`1` to `5`, `label_0` and `label_1`), those below and above the middle of the smallest
    and the largest.

    Args:
        labels: The labels of the model.
        negative: The negative label. Defaults to `None`.
        positive: The positive label. Defaults to `None`.

    Returns:
        `"negative"` or `"positive"` by label; labels that are neither are left out.

    Raises:
        ValueError: if no label is negative or none is positive, or a given one is unknown.
    """
    if negative is not None or positive is not None:
        if negative == positive or not {negative, positive} <= set(labels):
            raise ValueError(
                "The negative and the positive label are given together, and must be two of the "
                f"model's labels, {list(labels)}. Received: negative={negative!r}, "
                f"positive={positive!r}"
            )
        return {str(negative): "negative", str(positive): "positive"}
    found = {
        label: polarity
        for label in labels
        for polarity, names in NAMES.items()
        if label.casefold() in names
    }
    if not found:
        found = _numbers(labels)
    if set(found.values()) != set(NAMES):
        known = "; ".join(", ".join(names) for names in NAMES.values())
        raise ValueError(
            "Behaviour needs to know which label is negative and which is positive. They are found "
            f"if they are called so ({known}), or are whole numbers; otherwise name them: "
            "`zoo eval MODEL --behaviour --negative LABEL --positive LABEL`, or in a recipe "
            "`evaluation.behaviour_labels: {negative: LABEL, positive: LABEL}`. "
            f"Received: labels={list(labels)}"
        )
    return found


def _numbers(labels):
    """The polarities of labels that are whole numbers; `{}` of others."""
    matches = [
        match for label in labels if (match := re.fullmatch(r"(.*?)((?:(?<![^\W_])-)?\d+)", label))
    ]
    if len(matches) < len(labels) or len({match[1] for match in matches}) > 1:
        return {}
    numbers = [int(match[2]) for match in matches]
    middle = (min(numbers) + max(numbers)) / 2
    return {
        label: "negative" if number < middle else "positive"
        for label, number in zip(labels, numbers, strict=True)
        if number != middle
    }
