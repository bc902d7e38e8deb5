"""English–Korean sentence pairs of Tatoeba."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from zoo.data.dataset import Dataset, DatasetCard, RemoteFile, as_dataset
from zoo.data.public import PublicDataset, check_pair, rows

_COLUMNS = {"en": "english", "ko": "korean"}


class TatoebaKorEng(PublicDataset):
    """Short everyday sentences, split by a hash of the English one, so that splits share none.

    10 of the Korean sentences of dev and 18 of test also occur in train.
    """

    card = DatasetCard(
        name="tatoeba_kor_eng",
        task="seq2seq_lm",
        languages=("en", "ko"),
        licence="CC BY 2.0 FR",
        citation="Tatoeba (tatoeba.org), as exported by ManyThings.org (2022); authors by row.",
        homepage="https://www.manythings.org/anki/",
        description="3,798 short English sentences with Korean translations: a toy.",
        splits={"train": 3_040, "dev": 369, "test": 389},
        # The publisher's archive (https://www.manythings.org/anki/kor-eng.zip) keeps growing, so
        # a fixed copy of 2022 is downloaded; the digests below are of its content.
        files=(
            RemoteFile(
                "kor.txt",
                "https://raw.githubusercontent.com/nate-koser/kor-eng-translator/"
                "a073cb5f7b819c73cbd46d19ceb6a42463041152/kor.txt",
            ),
        ),
        digests={
            "train": "d90d1c209d4b5bdc0584af95b495661a25bcd384963b36c7a5a40b79d3be0238",
            "dev": "3e8db30f02984cda0e7eec2c78fd5036850aa9f515054549e4177ffcd93825a3",
            "test": "118acd48601ed3df7df639151c3baf6bffb03d81f1af820174a0f0c35871e48b",
        },
    )
    stored = {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}
    columns = ("english", "korean")

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
        for english, korean, _ in rows(lines, 3):
            yield english, korean

    def unpack(self, downloads: Path, folder: Path) -> None:
        """Splits the table `ENGLISH<tab>KOREAN<tab>ATTRIBUTION`; the files keep the attribution."""
        parts: dict[str, list[str]] = {split: [] for split in self.stored}
        text = (downloads / "kor.txt").read_text("utf-8")
        for line in text.removesuffix("\n").split("\n"):
            parts[_split(line.partition("\t")[0])].append(line)
        for split, name in self.stored.items():
            with open(folder / name, "w", encoding="utf-8", newline="\n") as file:
                for line in ("english\tkorean\tattribution", *parts[split]):
                    file.write(f"{line}\n")

    def load(self, source: str = "en", target: str = "ko") -> Dataset:
        """Loads the dataset in either direction; see `PublicDataset.load`.

        Args:
            source: The language to translate from. Defaults to `"en"`.
            target: The language to translate into. Defaults to `"ko"`.
        """
        check_pair(self.card, source, target)
        folder = self.get()
        splits = {}
        for split in self.stored:
            columns = self.read(folder, split)
            splits[split] = {
                "source": columns[_COLUMNS[source]],
                "target": columns[_COLUMNS[target]],
            }
        return as_dataset(self.card, splits, languages=(source, target))


def _split(english: str) -> str:
    number = int(hashlib.sha256(english.encode()).hexdigest(), 16) % 10
    return {0: "test", 1: "dev"}.get(number, "train")
