"""The WikiText-2 dataset: English Wikipedia articles, split into words."""

from collections.abc import Iterator
from pathlib import Path

from zoo.data.dataset import DatasetCard, RemoteFile
from zoo.data.public import PublicDataset

_ADDRESS = "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data"


class WikiText2(PublicDataset):
    """The official splits and words, rare ones replaced by `<unk>`; each split is one row.

    The end of each line, also of an empty one, counts as a word, and that of the row is the end
    of its last line: 2,088,628 in train, 217,646 in dev and 245,569 in test.
    """

    # The downloaded bytes have no checksum; the digests of the content are verified.
    card = DatasetCard(
        name="wikitext2",
        task="causal_lm",
        languages=("en",),
        licence="CC-BY-SA-3.0",
        citation="Merity et al. (2016). Pointer sentinel mixture models.",
        homepage="https://arxiv.org/abs/1609.07843",
        description="720 good and featured articles of Wikipedia, two million words.",
        splits={"train": 1, "dev": 1, "test": 1},
        files=tuple(
            RemoteFile(f"{split}.txt", f"{_ADDRESS}/wikitext-2/{split}.txt")
            for split in ("train", "valid", "test")
        ),
        digests={
            "train": "55024ec11e59408a8b7b26b6c729416dafe1d8b408e396dbfd8a9dae75acba4f",
            "dev": "279e8f88bb96b01ca4d78deedcbab71d0412c0d3631786f5157dbea9306f7ae0",
            "test": "a36d187f7a51277ded4aa7c630e688493f99e4188f512da7ef282720a7656a31",
        },
    )
    stored = {"train": "wiki.train.tokens", "dev": "wiki.valid.tokens", "test": "wiki.test.tokens"}
    columns = ("text",)

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str]]:
        yield ("\n".join(" ".join(line.split()) for line in lines),)

    def unpack(self, downloads: Path, folder: Path) -> None:
        """Renames the files to their usual names."""
        for file, name in zip(self.card.files, self.stored.values(), strict=True):
            (downloads / file.name).rename(folder / name)
