"""The Tiny Shakespeare dataset: a million characters of plays."""

from collections.abc import Iterator
from pathlib import Path

from zoo.data.dataset import DatasetCard, RemoteFile
from zoo.data.public import PublicDataset

_FILE = "input.txt"
# Where the splits begin: 90 %, 5 % and 5 % of the characters, as in TensorFlow Datasets.
_CUTS = {"train": (0, 1_003_854), "dev": (1_003_854, 1_059_624), "test": (1_059_624, None)}


class TinyShakespeare(PublicDataset):
    """The split of TensorFlow Datasets; each split is one row, with line breaks in it."""

    card = DatasetCard(
        name="tiny_shakespeare",
        task="causal_lm",
        languages=("en",),
        licence="public domain",
        citation="Karpathy (2015). The unreasonable effectiveness of recurrent neural networks.",
        homepage="https://github.com/karpathy/char-rnn",
        description="1,115,394 characters of Shakespeare's plays, 65 of them distinct.",
        splits={"train": 1, "dev": 1, "test": 1},
        files=(
            RemoteFile(
                _FILE,
                f"https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/{_FILE}",
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                1_115_394,
            ),
        ),
        digests={
            "train": "4d742c315cc79bf34f52754b3cd1b963a85185034070fad0e399c9694d36f7dd",
            "dev": "ee71156fcc329520221aa344ccb33be011944a532f3a2ca2a475d118bc1b3aa5",
            "test": "0ce3c0c811ddd4de9b846a79d5c007a18bb6432e053d0cec8a9b921e76d529b1",
        },
    )
    stored = {split: f"{split}.txt" for split in _CUTS}
    columns = ("text",)

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str]]:
        yield ("\n".join(lines),)  # a last line break is the end of the row

    def unpack(self, downloads: Path, folder: Path) -> None:
        """Cuts the file into splits."""
        text = (downloads / _FILE).read_bytes()  # one byte a character
        for split, (start, end) in _CUTS.items():
            (folder / self.stored[split]).write_bytes(text[start:end])
