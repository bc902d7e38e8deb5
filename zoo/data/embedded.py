"""Small parts of public datasets that come with the library: real text without a download."""

import gzip
from collections.abc import Iterator
from pathlib import Path

from zoo.data.dataset import Columns, DatasetCard, hold_out
from zoo.data.nsmc import Nsmc
from zoo.data.public import PublicDataset, rows
from zoo.data.slots_and_intents import Snips

FOLDER = Path(__file__).parent / "files"


class EmbeddedDataset(PublicDataset):
    """Base class of datasets whose files come with the library."""

    def path(self) -> Path:
        return FOLDER / self.card.name

    def get(self) -> Path:
        return self.path()


class EmbeddedPart(EmbeddedDataset):
    """Base class of parts of a public dataset whose licence allows the library to bring them.

    A subclass also inherits from the class of the whole dataset, if it stores its rows in the same
    way. `NsmcMini().write()` makes the files of `nsmc_mini` again, out of the whole dataset.

    Attributes:
        whole: The class of the whole dataset.
    """

    whole: type[PublicDataset]
    stored = {split: f"{split}.tsv" for split in ("train", "dev", "test")}
    dev_size = 0

    def write(self, folder: Path | None = None) -> None:
        """Writes the files: of each split of the whole dataset, the rows that `hold_out` chooses.

        Those are the rows whose texts have the smallest hashes, each label or intent in proportion
        to its frequency.

        Args:
            folder: The folder to write to. Defaults to `None`, the folder in the library.
        """
        folder = folder or self.path()
        folder.mkdir(parents=True, exist_ok=True)
        for split, columns in self.whole().load().splits.items():
            part = _part(columns, self.card.splits[split] or 0)
            table = [list(part), *zip(*part.values(), strict=True)]
            lines = ["\t".join(map(_joined, row)) + "\n" for row in table]
            content = "".join(lines).encode()
            (folder / f"{self.stored[split]}.gz").write_bytes(gzip.compress(content, mtime=0))


class NsmcMini(EmbeddedPart):
    """Parts of train and test of NSMC; dev is a part of its train, with no text in common."""

    whole = Nsmc
    labels = Nsmc.labels
    card = DatasetCard(
        name="nsmc_mini",
        task="text_classifier",
        languages=("ko",),
        licence=Nsmc.card.licence,
        citation=Nsmc.card.citation,
        homepage=Nsmc.card.homepage,
        description="8,000 of NSMC's Korean film comments, which come with the library.",
        splits={"train": 6_000, "dev": 1_000, "test": 1_000},
        digests={
            "train": "b7bfb769055a214ae774765dbf2ea963fa56b5fd6c81575e1760f57833dfdc87",
            "dev": "8363755f6b54e4104947b8b221a3dcd3a78ec29955a7c0f0da5101e816c75dbc",
            "test": "1b2193c9764ffbcd6fcc94386d1071bd0d1021632403634303f1794cddffef29",
        },
    )

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str, ...]]:
        return map(tuple, rows(lines, 2))


class SnipsMini(EmbeddedPart, Snips):
    """A part of train of SNIPS, and the whole of its dev and test."""

    whole = Snips
    card = DatasetCard(
        name="snips_mini",
        task="token_classifier",
        languages=("en",),
        licence=Snips.card.licence,
        citation=Snips.card.citation,
        homepage=Snips.card.homepage,
        description="6,400 of SNIPS' commands to a voice assistant, which come with the library.",
        splits={"train": 5_000, "dev": 700, "test": 700},
        digests={
            "train": "a458551c87d6e9da6166baf8c6ca96e278be0f5d2dda07b5a9a983ec34ff303d",
            "dev": Snips.card.digests["dev"],
            "test": Snips.card.digests["test"],
        },
    )


def _part(columns: Columns, size: int) -> Columns:
    """The rows that `hold_out` chooses, in their order."""
    by = columns
    if "tokens" in columns:
        texts = [" ".join(tokens) for tokens in columns["tokens"]]
        by = {**columns, "text": texts, "label": columns["intent"]}
    _, part = hold_out(by, size)
    return {name: part[name] for name in columns}


def _joined(value: str | list[str]) -> str:
    return value if isinstance(value, str) else " ".join(value)
