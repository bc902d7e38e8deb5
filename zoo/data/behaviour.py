"""Behaviour sets: short sentences whose sentiment no reader mistakes, to measure models with."""

from collections.abc import Iterator, Sequence

from zoo.data.dataset import DatasetCard
from zoo.data.embedded import EmbeddedDataset
from zoo.data.public import rows


class BehaviourDataset(EmbeddedDataset):
    """Base class of the behaviour sets: one split, `test`, and so nothing to train on.

    Columns: `text`; `label`, `negative` or `positive`, as often as each other in every kind;
    `kind`, the phenomenon that the sentence tests; and `pair`, the number of a pair of sentences
    that differ in a name alone and must get the same answer, or `""`.

    References:
        - Ribeiro et al. 2020, Beyond accuracy: behavioral testing of NLP models with CheckList.
    """

    stored = {"test": "test.tsv"}
    columns = ("text", "label", "kind", "pair")
    labels = ("negative", "positive")

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str, ...]]:
        return map(tuple, rows(lines, 4))


class BehaviourEn(BehaviourDataset):
    """English."""

    card = DatasetCard(
        name="behaviour_en",
        task="text_classifier",
        languages=("en",),
        licence="CC0-1.0",
        citation="The authors of seqzoo (2026). Behaviour sets of sentiment.",
        homepage="",
        description="Short sentences about films by kind (negation, contrast, …), to measure with.",
        splits={"test": 262},
        digests={"test": "2392c6b1ef1397cb8bbd391080d8f775fab500dcb994b58813001829deadaef2"},
    )


class BehaviourKo(BehaviourDataset):
    """Korean."""

    card = DatasetCard(
        name="behaviour_ko",
        task="text_classifier",
        languages=("ko",),
        licence="CC0-1.0",
        citation="The authors of seqzoo (2026). Behaviour sets of sentiment.",
        homepage="",
        description="Short Korean sentences about films by kind, to measure with.",
        splits={"test": 262},
        digests={"test": "e08127f0feaf926a7610df7443c10abffc690dadca6c8b7921b373475e01e2e7"},
    )


BEHAVIOUR_SETS = {"en": BehaviourEn.card.name, "ko": BehaviourKo.card.name}  # by language


def behaviour_set(languages: Sequence[str]) -> str:
    """The name of the behaviour set for a model's languages: that of the first that has one.

    Raises:
        ValueError: if none has one.
    """
    for language in languages:
        if language in BEHAVIOUR_SETS:
            return BEHAVIOUR_SETS[language]
    raise ValueError(
        f"There are behaviour sets in the languages {', '.join(BEHAVIOUR_SETS)}. "
        f"Received: {', '.join(languages) or 'a model whose languages are not stated'}"
    )
