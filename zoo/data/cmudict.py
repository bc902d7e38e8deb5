"""The CMU Pronouncing Dictionary: English words and their phones."""

import hashlib
import re
from collections.abc import Iterator

from zoo.data.dataset import Dataset, DatasetCard, RemoteFile, as_dataset
from zoo.data.public import PublicDataset

_ADDRESS = "https://raw.githubusercontent.com/cmusphinx/cmudict/master/cmudict.dict"
# `read(2) R IY1 D # a comment`: a word, the number of a variant, its phones.
_LINE = re.compile(r"(\S+?)(?:\(\d+\))?((?: [A-Z]+[0-2]?)+)(?: #.*)?")


class Cmudict(PublicDataset):
    """Words and phones in ARPAbet, with stress digits on the vowels.

    There is no official split: one word in ten is in test and one in fifty in dev, chosen by a hash
    of the word. Each pronunciation of a word is a row, and all are in one split.
    """

    card = DatasetCard(
        name="cmudict",
        task="seq2seq_lm",
        languages=("en",),
        licence="BSD-2-Clause",
        citation="Carnegie Mellon University (1993-2015). The CMU Pronouncing Dictionary.",
        homepage="https://github.com/cmusphinx/cmudict",
        description=(
            "135,164 pronunciations of English words in ARPAbet with stress, split by a hash of "
            "the word."
        ),
        splits={"train": 118_717, "dev": 2_674, "test": 13_773},
        files=(RemoteFile("cmudict.dict", _ADDRESS, bytes=3_618_488),),
        digests={"all": "355e847814e76c4bfef5e6799378a48336723e1a056f675e6cafb6854a17bf54"},
    )
    stored = {"all": "cmudict.dict"}
    columns = ("source", "target")

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
        for number, line in enumerate(lines, 1):
            if (found := _LINE.fullmatch(line)) is None:
                raise ValueError(f"line {number} is no word with its phones: {line!r}")
            yield found[1], found[2][1:]

    def load(self, stress: bool = True) -> Dataset:
        """Loads the pronunciations; see `PublicDataset.load`.

        Args:
            stress: bool. Whether vowels keep their digit: 0 no, 1 primary, 2 secondary stress. The
                phones of published benchmarks have none. Defaults to `True`.

        Raises:
            ValueError: if `stress` is not a bool.
        """
        if not isinstance(stress, bool):
            raise ValueError(f"`stress` must be true or false. Received: stress={stress!r}")
        pairs = self.read(self.get(), "all")
        splits: dict[str, dict[str, list]] = {
            split: {"source": [], "target": []} for split in ("train", "dev", "test")
        }
        rows = zip(pairs["source"], pairs["target"], strict=True)
        if not stress:
            rows = ((word, re.sub(r"\d", "", phones)) for word, phones in rows)
        for word, phones in dict.fromkeys(rows):  # some rows are repeated
            columns = splits[split_of(word)]
            columns["source"].append(word)
            columns["target"].append(phones)
        return as_dataset(self.card, splits)


def split_of(word: str) -> str:
    """The split of a word, by its hash."""
    number = int(hashlib.sha256(word.encode()).hexdigest(), 16) % 50
    return "test" if number < 5 else "dev" if number == 5 else "train"
