"""The development file of KLUE's named entity recognition, in Korean."""

import hashlib
from collections.abc import Iterator, Sequence

from zoo.choices import UNITS, check_choice
from zoo.data.dataset import Columns, Dataset, DatasetCard, RemoteFile, as_dataset
from zoo.data.tagged import TaggedDataset

HELD_OUT = 500  # sentences of dev, and of test
_FILE = "klue-ner-v1.1_dev.tsv"
_ADDRESS = "https://raw.githubusercontent.com/KLUE-benchmark/KLUE/main/klue_benchmark"


class KlueNer(TaggedDataset):
    """Persons, places, organisations, dates, times and quantities, in a split of this project.

    The benchmark keeps its test split to itself. The sentences of its development file are split
    by a hash of their text, so that results are not those of the leaderboard.
    """

    card = DatasetCard(
        name="klue_ner",
        task="token_classifier",
        languages=("ko",),
        licence="CC BY-SA 4.0",
        citation=(
            "Park et al. (2021). KLUE: Korean Language Understanding Evaluation. NeurIPS "
            "Datasets and Benchmarks."
        ),
        homepage="https://klue-benchmark.com",
        description="5,000 Korean sentences of news and reviews with named entities of six types.",
        splits={"train": 4_000, "dev": 500, "test": 500},
        files=(RemoteFile(_FILE, f"{_ADDRESS}/klue-ner-v1.1/{_FILE}"),),
        digests={"all": "aa8a909982dbd13a02651c4b927b88353b68b689421365a40e4ae71ae60149c6"},
    )
    stored = {"all": _FILE}

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[list[str], list[str]]]:
        """Yields the characters of each sentence, of which the space is one, and their tags."""
        characters: list[str] = []
        tags: list[str] = []
        for line in lines:
            if line and not line.startswith("##"):  # a note
                character, tag = line.split("\t")
                characters.append(character)
                tags.append(tag)
            elif characters:
                yield characters, tags
                characters, tags = [], []
        if characters:
            yield characters, tags

    def load(self, unit: str = "characters") -> Dataset:
        """Loads the sentences.

        Args:
            unit: `"characters"`, each with its tag; or `"words"`, what is between spaces: a word
                in which an entity begins or goes on has the tag of the entity's first character in
                it, whatever particle follows. Defaults to `"characters"`.
        """
        check_choice("unit", unit, UNITS)
        columns = self.read(self.get(), "all")
        order = sorted(range(len(columns["tokens"])), key=lambda row: _hash(columns["tokens"][row]))
        rows = {"train": order[2 * HELD_OUT :], "dev": order[HELD_OUT : 2 * HELD_OUT]}
        rows["test"] = order[:HELD_OUT]
        splits: dict[str, Columns] = {}
        for split, chosen in rows.items():
            pairs = [(columns["tokens"][row], columns["tags"][row]) for row in chosen]
            if unit == "words":
                pairs = [tagged_words(*pair) for pair in pairs]
            tokens, tags = zip(*pairs, strict=True)
            splits[split] = {"tokens": list(tokens), "tags": list(tags)}
        return as_dataset(self.card, splits, labels=self.ordered_labels(splits))


def tagged_words(characters: Sequence[str], tags: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of tagged characters, each with the tag of the first entity in it."""
    words: list[str] = []
    found: list[str] = []
    starts = True
    for character, tag in zip(characters, tags, strict=True):
        if character.isspace():
            starts = True
        elif starts:
            words.append(character)
            found.append(tag)
            starts = False
        else:
            words[-1] += character
            if found[-1] == "O":
                found[-1] = tag
    return words, found


def _hash(characters: Sequence[str]) -> str:
    return hashlib.sha256("".join(characters).encode()).hexdigest()
