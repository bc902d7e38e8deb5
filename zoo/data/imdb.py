"""The IMDB dataset: long English film reviews."""

import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from zoo.data.dataset import DatasetCard, RemoteFile
from zoo.data.public import PublicDataset, rows

# aclImdb/train/pos/ID_RATING.txt
_REVIEW = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_(\d+)\.txt")
MAX_FILE_BYTES = 1 << 20


class Imdb(PublicDataset):
    """The labelled reviews, without mark-up of line breaks; dev is 2,500 reviews of train."""

    card = DatasetCard(
        name="imdb",
        task="text_classifier",
        languages=("en",),
        licence="none stated",
        citation="Maas et al. (2011). Learning word vectors for sentiment analysis. ACL.",
        homepage="https://ai.stanford.edu/~amaas/data/sentiment/",
        description="50,000 long English film reviews, negative or positive.",
        splits={"train": 22_500, "dev": 2_500, "test": 25_000},
        files=(
            RemoteFile(
                "aclImdb_v1.tar.gz",
                "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                # The checksum that TensorFlow Datasets publishes.
                "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fe7008942e91923d1658fe0",
                84_125_825,
            ),
        ),
        digests={
            "train": "97e0241a1f7ff0c3d1a941cc66f1cbb89e06f10f51f79e762082a7fd50e2c77a",
            "test": "47819c34ff7f18e6ae9460b1854ae83341b8592e9a6f727966ced4bfa8fd82cf",
        },
    )
    stored = {"train": "train.tsv", "test": "test.tsv"}
    labels = ("negative", "positive")
    dev_size = 2_500

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
        for _, label, _, text in rows(lines, 4):
            yield " ".join(text.replace("<br />", " ").split()), self.labels[int(label)]

    def unpack(self, downloads: Path, folder: Path) -> None:
        """Writes one table for each split from the reviews in the archive.

        No member is extracted to a path. Members other than small plain files with the name of a
        labelled review are skipped.
        """
        from tqdm import tqdm

        reviews: dict[str, list[tuple[int, int, str, str]]] = {"train": [], "test": []}
        with tarfile.open(downloads / "aclImdb_v1.tar.gz", "r:gz") as archive:
            for member in tqdm(archive, "reading reviews", disable=not sys.stderr.isatty()):
                review = _REVIEW.fullmatch(member.name)
                if not review or not member.isfile() or member.size > MAX_FILE_BYTES:
                    continue
                if (file := archive.extractfile(member)) is None:
                    continue
                split, label, number, rating = review.groups()
                text = file.read().decode("utf-8")
                row = (("neg", "pos").index(label), int(number), rating, " ".join(text.split()))
                reviews[split].append(row)
        for split, name in self.stored.items():
            with open(folder / name, "w", encoding="utf-8", newline="\n") as file:
                file.write("id\tlabel\trating\ttext\n")
                for label, number, rating, text in sorted(reviews[split]):
                    file.write(f"{number}\t{label}\t{rating}\t{text}\n")
