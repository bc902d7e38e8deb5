"""Korean questions and commands, and the phrase that says what is asked."""

from collections.abc import Iterator

from zoo.data.dataset import Dataset, DatasetCard, RemoteFile, as_dataset
from zoo.data.grouping import split_by_group
from zoo.data.public import PublicDataset


class Sae4k(PublicDataset):
    """All rows in one file, split by a hash: 90, 5 and 5 percent of the groups of paraphrases.

    There is no official split. Sentences with the same phrase, and phrases of the same sentence,
    are in one split, whatever their spaces and punctuation.
    """

    card = DatasetCard(
        name="sae4k",
        task="seq2seq_lm",
        languages=("ko",),
        licence="CC BY-SA 4.0",
        citation="Cho, Moon, Kim, Kim (2020). Machines Getting with the Program: Understanding "
        "Intent Arguments of Non-Canonical Directives. Findings of EMNLP.",
        homepage="https://github.com/warnikchow/sae4k",
        description="30,837 spoken Korean questions and commands with their key phrases.",
        splits={"train": 27_734, "dev": 1_577, "test": 1_526},
        files=(
            RemoteFile(
                "sae4k_v1.txt",
                "https://raw.githubusercontent.com/warnikchow/sae4k/master/data/sae4k_v1.txt",
                "529361e1aa760ca90db71fc70a93215f45938028735aba1291a907f764fe1f36",
                2_545_926,
            ),
        ),
        digests={"all": "8745dce0e7c387317cd3d6d1e81ad2156950a35fc9d9120a3bde03f41ab3c812"},
    )
    stored = {"all": "sae4k_v1.txt"}
    columns = ("source", "target")

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
        for number, line in enumerate(lines, 1):
            fields = line.removeprefix("\ufeff").removesuffix("\r").split("\t")
            if len(fields) != 3:
                raise ValueError(f"line {number} has {len(fields)} fields, not 3")
            sentence, phrase, _ = fields  # the last is the kind of sentence
            yield sentence.strip(), phrase.strip()

    def load(self) -> Dataset:
        rows = self.read(self.get(), "all")
        splits = split_by_group(rows, self.columns, {"dev": 5, "test": 5})
        return as_dataset(self.card, splits, languages=("ko", "ko"))
