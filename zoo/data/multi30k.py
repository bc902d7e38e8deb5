"""The Multi30K dataset: descriptions of photographs in four languages."""

from collections.abc import Iterator

from zoo.data.dataset import Dataset, DatasetCard, RemoteFile, as_dataset
from zoo.data.public import PublicDataset, check_pair

_ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
_LANGUAGES = ("en", "de", "fr", "cs")
_SPLITS = {"train": "train", "dev": "val", "test": "test_2016_flickr"}


class Multi30k(PublicDataset):
    """Raw text of task 1 in the official splits; `test` is test2016 (Flickr)."""

    # The repository states no licence. For the photographs, which are not included here, it states
    # non-commercial research and education. The downloaded bytes have no checksum; the digests
    # of the content are verified.
    card = DatasetCard(
        name="multi30k",
        task="seq2seq_lm",
        languages=_LANGUAGES,
        licence="none stated; treat as non-commercial",
        citation=(
            "Elliott et al. (2016). Multi30K: multilingual English-German image descriptions. "
            "VL. French: Elliott et al. (2017), WMT. Czech: Barrault et al. (2018), WMT."
        ),
        homepage="https://github.com/multi30k/dataset",
        description=(
            "31,014 English descriptions of photographs, translated into German, French and "
            "Czech by people."
        ),
        splits={"train": 29_000, "dev": 1_014, "test": 1_000},
        files=tuple(
            RemoteFile(f"{stem}.{language}.gz", f"{_ADDRESS}/{stem}.{language}.gz")
            for stem in _SPLITS.values()
            for language in _LANGUAGES
        ),
        digests={
            "train.en": "d0ad0d4aea0982eb0187f26f1ad4baadfa836ec5b76b20dac3fce73ffdf437b8",
            "train.de": "a12e2d5681b10165737fe7e6f7988e961e8031b96954d3f39478438fa089dad6",
            "train.fr": "ecfea8368b0f49ec73026ba6a6feaadfb91c42aa02047f96e1f3739e9e329fcb",
            "train.cs": "c3ee98327b73536410c2d3324fb22eb0737ec1f59346f1b93b9e3704f33a3f09",
            "dev.en": "3a792139149ce48e793a026c2dd4a2ee84843faad66bf7675c211bd2d8cf9231",
            "dev.de": "74c03c39e11f4acfcdb74e4413bc755dbd831ec9acb17521c42c20cff3dc9b98",
            "dev.fr": "6f5b330ce3df85c38c1d8b8eee15bbaf79f8ff46c6a4e4ec9bc16c941f515575",
            "dev.cs": "d0c250005eda6b24cc107c0cbfe90b468a1ccddebab46d35684baa787bf071ee",
            "test.en": "e54a001be277ee3989b94512df64dd3f5beaf01d7b97b52404a1397b0a823c60",
            "test.de": "38c2183fadf87edc3cfbdd560462721115cae7bbff96aa64fe47664bbb217854",
            "test.fr": "fe7b8ef9ea5df676bec476262eecc89712fec37b83fb21ef2e01dc0fc7bf9ba1",
            "test.cs": "8aea2ea11cac10070f881a436729972005b53005e5f0f7ac15a47b03c46419b0",
        },
    )
    stored = {
        f"{split}.{language}": f"{stem}.{language}"
        for split, stem in _SPLITS.items()
        for language in _LANGUAGES
    }
    columns = ("text",)

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str]]:
        for line in lines:
            yield (line,)

    def load(self, source: str = "en", target: str = "de") -> Dataset:
        """Loads two of the languages; see `PublicDataset.load`.

        Args:
            source: The language to translate from. Defaults to `"en"`.
            target: The language to translate into. Defaults to `"de"`.
        """
        check_pair(self.card, source, target)
        folder = self.get()
        splits = {
            split: {
                "source": self.read(folder, f"{split}.{source}")["text"],
                "target": self.read(folder, f"{split}.{target}")["text"],
            }
            for split in _SPLITS
        }
        return as_dataset(self.card, splits, languages=(source, target))
