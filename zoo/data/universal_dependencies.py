"""Treebanks of Universal Dependencies: words with their parts of speech."""

from collections.abc import Iterator

from zoo.data.conll import TAG_COLUMNS, conllu_sentences
from zoo.data.dataset import Dataset, DatasetCard, RemoteFile, as_dataset
from zoo.data.tagged import TaggedDataset
from zoo.data.tagged_files import check_column

_ADDRESS = "https://raw.githubusercontent.com/UniversalDependencies"
_SPLITS = ("train", "dev", "test")


def _stored(stem: str) -> dict[str, str]:
    return {split: f"{stem}-ud-{split}.conllu" for split in _SPLITS}


def _files(release: str, stem: str) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(name, f"{_ADDRESS}/{release}/{name}") for name in _stored(stem).values()
    )


class _Treebank(TaggedDataset):
    """Base class: syntactic words with their UPOS and XPOS tags, in the official splits."""

    # The downloaded bytes have no checksum; the digests of words and tags are verified.
    columns = ("tokens", *TAG_COLUMNS)

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[list[str], ...]]:
        return conllu_sentences(lines, tuple(TAG_COLUMNS))

    def load(self, column: str = "upos") -> Dataset:
        """Loads the treebank with one of its columns of tags; see `PublicDataset.load`.

        Args:
            column: `"upos"` (universal parts of speech) or `"xpos"` (those of the language).
                Defaults to `"upos"`.
        """
        check_column(column)
        folder = self.get()
        splits = {}
        for split in _SPLITS:
            columns = self.read(folder, split)
            splits[split] = {"tokens": columns["tokens"], "tags": columns[column]}
        return as_dataset(self.card, splits, labels=self.ordered_labels(splits))


class UdEnglishEwt(_Treebank):
    """English-EWT, version 2.16; `xpos` has the tags of the Penn Treebank."""

    card = DatasetCard(
        name="ud_english_ewt",
        task="token_classifier",
        languages=("en",),
        licence="CC BY-SA 4.0",
        citation="Silveira et al. (2014). A gold standard dependency corpus for English. LREC.",
        homepage="https://github.com/UniversalDependencies/UD_English-EWT",
        description="16,622 English sentences of the web with parts of speech.",
        splits={"train": 12_544, "dev": 2_001, "test": 2_077},
        files=_files("UD_English-EWT/r2.16", "en_ewt"),
        digests={
            "train": "0ac5a7a59ddf40696ca3fd3fe44b5af38ba88bee369da3e0f50ca1215fb51592",
            "dev": "3816cd6afc4c07423e5a80cf3058ff94e68301b27cba9e762fb96e85c7b84f0b",
            "test": "e93bee2ec88bda2cd5e4e598881e8a602794c402e75617e9943cfd09f40853e0",
        },
    )
    stored = _stored("en_ewt")


class UdKoreanGsd(_Treebank):
    """Korean-GSD, version 2.10; `xpos` has a tag for each morpheme, joined by `+`."""

    card = DatasetCard(
        name="ud_korean_gsd",
        task="token_classifier",
        languages=("ko",),
        licence="CC BY-SA 4.0",
        citation=(
            "Chun et al. (2018). Building Universal Dependency treebanks in Korean. LREC. "
            "McDonald et al. (2013). Universal Dependency annotation for multilingual parsing. ACL."
        ),
        homepage="https://github.com/UniversalDependencies/UD_Korean-GSD",
        description="6,339 Korean sentences of blogs and news with parts of speech.",
        splits={"train": 4_400, "dev": 950, "test": 989},
        files=_files("UD_Korean-GSD/r2.10", "ko_gsd"),
        digests={
            "train": "e8030dd28a18c21dd4160c7c3d563ff3c52471adb45a3331fe0958399c501c4e",
            "dev": "748085c6f52d43d63fbf9c90f813d07f2b8f98fbeb16ba09be2d4dbc780e7b09",
            "test": "cd744540fa3b37005fade8c19d7a2f70d471646857a455f10ab3396fa31040d2",
        },
    )
    stored = _stored("ko_gsd")


class UdKoreanKaist(_Treebank):
    """Korean-Kaist, version 2.2; `xpos` has a tag for each morpheme, joined by `+`."""

    # The digest of train was taken from a copy in the project's repository (emorynlp/ud-korean,
    # kaist/), which has the release's counts of sentences, of words and of every UPOS tag.
    card = DatasetCard(
        name="ud_korean_kaist",
        task="token_classifier",
        languages=("ko",),
        licence="CC BY-SA 4.0",
        citation=(
            "Chun et al. (2018). Building Universal Dependency treebanks in Korean. LREC. "
            "Choi et al. (1994). KAIST tree bank project for Korean."
        ),
        homepage="https://github.com/UniversalDependencies/UD_Korean-Kaist",
        description="27,363 Korean sentences of books and news with parts of speech.",
        splits={"train": 23_010, "dev": 2_066, "test": 2_287},
        files=_files("UD_Korean-Kaist/r2.2", "ko_kaist"),
        digests={
            "train": "c36dad461415f4eacde2f2e7dff9167041bcaf3397a081ce4b48c01a8a2d1e3a",
            "dev": "7becc64f5d9f947cc818cafdaf0dd6f9854be2137d1f12cb2ef0242336446b89",
            "test": "340387680fa49dabc115205591a892106dc1234cad20916e373fa88fdf3135d1",
        },
    )
    stored = _stored("ko_kaist")
