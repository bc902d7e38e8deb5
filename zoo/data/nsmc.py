"""The NSMC dataset: short Korean film comments."""

from collections.abc import Iterator

from zoo.data.dataset import DatasetCard, RemoteFile
from zoo.data.public import PublicDataset, rows

_ADDRESS = "https://raw.githubusercontent.com/e9t/nsmc/master"


class Nsmc(PublicDataset):
    """The official train and test splits; dev is 10,000 rows of train, with no text in common."""

    card = DatasetCard(
        name="nsmc",
        task="text_classifier",
        languages=("ko",),
        licence="CC0-1.0",
        citation="Lucy Park (2016). Naver sentiment movie corpus v1.0.",
        homepage="https://github.com/e9t/nsmc",
        description="200,000 short Korean film comments, negative or positive.",
        splits={"train": 140_000, "dev": 10_000, "test": 50_000},
        files=(
            RemoteFile(
                "ratings_train.txt",
                f"{_ADDRESS}/ratings_train.txt",
                "e03b7d14e9e41be8d464a28057cd25d7396c53e67aa7fd5f7e552c59b0ee2940",
                14_628_807,
            ),
            RemoteFile(
                "ratings_test.txt",
                f"{_ADDRESS}/ratings_test.txt",
                "8ac9f64052f11dbf6ae0acb5e038f03d90a76f0eda7820cfb3a92d02edfcebda",
                4_893_335,
            ),
        ),
        digests={
            "train": "a1f49a238e6b9e591ce5fac1c3d964827890db790b53ddfe6ab02afd59dae7e7",
            "test": "724a6af4187f53857aef9a54f938626694c296b2cf194c37c1e2ba240344e921",
        },
    )
    stored = {"train": "ratings_train.txt", "test": "ratings_test.txt"}
    labels = ("negative", "positive")
    dev_size = 10_000

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
        for _, text, label in rows(lines, 3):
            yield text, self.labels[int(label)]
