"""The SNIPS and ATIS datasets: commands and questions with slots and intents."""

from collections.abc import Iterator
from pathlib import Path

from zoo.data.dataset import DatasetCard, RemoteFile
from zoo.data.public import rows
from zoo.data.tagged import TaggedDataset

_ADDRESS = "https://raw.githubusercontent.com/MiuLab/SlotGated-SLU/master/data"
_SPLITS = {"train": "train", "dev": "valid", "test": "test"}
_PARTS = ("seq.in", "seq.out", "label")


def _files(name: str) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(f"{stem}.{part}", f"{_ADDRESS}/{name}/{stem}/{part}")
        for stem in _SPLITS.values()
        for part in _PARTS
    )


class _SlotsAndIntents(TaggedDataset):
    """Base class: the three parallel files of each split are stored as one table."""

    stored = {split: f"{stem}.tsv" for split, stem in _SPLITS.items()}
    columns = ("tokens", "tags", "intent")

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[list[str], list[str], str]]:
        for tokens, tags, intent in rows(lines, 3):
            row = tokens.split(" "), tags.split(" "), intent
            if len(row[0]) != len(row[1]):
                raise ValueError(f"{tokens!r} has {len(row[0])} words and {len(row[1])} slots")
            yield row

    def unpack(self, downloads: Path, folder: Path) -> None:
        """Joins words, slots and intents line by line into a table with a header."""
        for split, stem in _SPLITS.items():
            parts = [
                (downloads / f"{stem}.{part}").read_text("utf-8").removesuffix("\n").split("\n")
                for part in _PARTS
            ]
            with open(folder / self.stored[split], "w", encoding="utf-8", newline="\n") as file:
                file.write("tokens\tslots\tintent\n")
                # If one file is shorter, the digest of the result differs and is refused.
                for row in zip(*parts, strict=False):
                    file.write("\t".join(" ".join(value.split()) for value in row) + "\n")


class Snips(_SlotsAndIntents):
    """Slots in BIO tags and seven intents, in the splits of Goo et al. (2018)."""

    # The downloaded bytes have no checksum; the digests of the content are verified.
    card = DatasetCard(
        name="snips",
        task="token_classifier",
        languages=("en",),
        licence="CC0-1.0",
        citation=(
            "Coucke et al. (2018). Snips voice platform: an embedded spoken language "
            "understanding system for private-by-design voice interfaces. arXiv:1805.10190. "
            "Split of Goo et al. (2018), NAACL."
        ),
        homepage="https://github.com/sonos/nlu-benchmark",
        description="14,484 English commands to a voice assistant, with slots and 7 intents.",
        splits={"train": 13_084, "dev": 700, "test": 700},
        files=_files("snips"),
        digests={
            "train": "bb68cb222098ec71f64f88829c19ce60505927d9fd380c82a3874a60fa50f573",
            "dev": "d16fdd07344b02c2a507badec2117874baef0c61c2a773fa96aafa385662dbea",
            "test": "797cb31bca7cda8ca9790f70873c0f34ab60ccf552c8b385ae0e5b73b9bc1b3a",
        },
    )


class Atis(_SlotsAndIntents):
    """Slots in BIO tags and intents, in the splits of Goo et al. (2018).

    Two intents of one question are joined by `#`. Some intents and slots of test do not occur in
    train.
    """

    # The Linguistic Data Consortium sells the original; the downloaded copy states no licence.
    card = DatasetCard(
        name="atis",
        task="token_classifier",
        languages=("en",),
        licence="none stated; origin LDC",
        citation=(
            "Hemphill et al. (1990). The ATIS spoken language systems pilot corpus. HLT. "
            "Split of Goo et al. (2018), NAACL."
        ),
        homepage="https://github.com/MiuLab/SlotGated-SLU",
        description="5,871 English questions on air travel, with slots and intents.",
        splits={"train": 4_478, "dev": 500, "test": 893},
        files=_files("atis"),
        digests={
            "train": "34cbe4d0cfbf76e657168587d224d7ad8ed381d42339cd72176f67631fa2c054",
            "dev": "ac122fece86859627d4ff5c81717d8cef02b0f440b3e86877d2cbd3a4ecaf446",
            "test": "8048b3990e8f1a447c8f55da7ec90ec6e6229fd7f325e29c9095a0559fc4f5ed",
        },
    )
