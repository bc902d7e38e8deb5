"""Korean everyday remarks with friendly answers."""

import csv
from collections.abc import Iterator

from zoo.data.dataset import Dataset, DatasetCard, RemoteFile, as_dataset
from zoo.data.grouping import split_by_group
from zoo.data.public import PublicDataset


class ChatbotKo(PublicDataset):
    """All rows in one file, split by a hash: 90, 5 and 5 percent of the groups of remarks.

    There is no official split. A remark with several answers, and remarks with the same answer,
    which often paraphrase one another, are in one split: no answer of dev or test is in train.
    """

    card = DatasetCard(
        name="chatbot_ko",
        task="seq2seq_lm",
        languages=("ko",),
        licence="MIT",
        citation="Youngsook Song (2018). Chatbot data v1.0.",
        homepage="https://github.com/songys/Chatbot_data",
        description="11,823 Korean remarks on everyday life, parting and love, with answers.",
        splits={"train": 10_601, "dev": 636, "test": 586},
        files=(
            RemoteFile(
                "ChatbotData.csv",
                "https://raw.githubusercontent.com/songys/Chatbot_data/master/ChatbotData.csv",
                "287eb129695b577321c80ad397bb3c2279164d4ca577874d129fd3db5b30afe2",
                889_842,
            ),
        ),
        digests={"all": "a44672d79550ee5c3579ce7598dbf67eb9d44acaf32a64db241b5f6d4fd793d1"},
    )
    stored = {"all": "ChatbotData.csv"}
    columns = ("source", "target")

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
        table = csv.reader(lines)
        if next(table, None) != ["Q", "A", "label"]:
            raise ValueError("the first line must be Q,A,label")
        for remark, answer, _ in table:
            yield remark.strip(), answer.strip()

    def load(self) -> Dataset:
        rows = self.read(self.get(), "all")
        splits = split_by_group(rows, self.columns, {"dev": 5, "test": 5})
        return as_dataset(self.card, splits, languages=("ko", "ko"))
