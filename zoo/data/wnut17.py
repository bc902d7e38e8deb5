"""The WNUT 2017 dataset: new and rare named entities in English posts."""

from collections.abc import Iterator

from zoo.data.conll import column_sentences
from zoo.data.dataset import DatasetCard, RemoteFile
from zoo.data.tagged import TaggedDataset

_ADDRESS = "https://raw.githubusercontent.com/leondz/emerging_entities_17/master"


class Wnut17(TaggedDataset):
    """Six classes in BIO tags, in the official splits, which share few entities."""

    # The downloaded bytes have no checksum; the digests of the content are verified.
    card = DatasetCard(
        name="wnut17",
        task="token_classifier",
        languages=("en",),
        licence="CC BY 4.0",
        citation=(
            "Derczynski et al. (2017). Results of the WNUT2017 shared task on novel and emerging "
            "entity recognition. W-NUT."
        ),
        homepage="https://github.com/leondz/emerging_entities_17",
        description="5,690 English posts with new and rare named entities of six classes.",
        splits={"train": 3_394, "dev": 1_009, "test": 1_287},
        files=(
            RemoteFile("train.conll", f"{_ADDRESS}/wnut17train.conll"),
            RemoteFile("dev.conll", f"{_ADDRESS}/emerging.dev.conll"),
            RemoteFile("test.conll", f"{_ADDRESS}/emerging.test.annotated"),
        ),
        digests={
            "train": "8fe744c27025da9744d9a4f5c2c5abb77ffa567773872853c85f2a38f9da6fe7",
            "dev": "cbc5c0e45236810804f3b5e438ab13623551a52d19b5cfb11cfa22e5d4ec2c48",
            "test": "097df406e0517f2b50c1548829430cb8e9c68b1d4451cf8bc0cc5a08fa8473f7",
        },
    )
    stored = {"train": "train.conll", "dev": "dev.conll", "test": "test.conll"}

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[list[str], list[str]]]:
        return column_sentences(lines)
