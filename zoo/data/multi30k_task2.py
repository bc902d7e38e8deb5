"""Captions of Multi30K's photographs, written independently in English and German."""

from collections.abc import Iterator

from zoo.data.dataset import Dataset, DatasetCard, RemoteFile, as_dataset
from zoo.data.public import PublicDataset, check_pair

_ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task2/raw"
_LANGUAGES = ("en", "de")
_SPLITS = {"train": "train", "dev": "val"}
_CAPTIONS = range(1, 6)  # of each photograph and language


class Multi30kTask2(PublicDataset):
    """Raw text of task 2 for the photographs of task 1's train and dev splits.

    The captions of a row describe one photograph and do not translate each other: they are texts
    of the domain, for back-translation.
    """

    # Licence and checksums: as for `zoo.data.multi30k`.
    card = DatasetCard(
        name="multi30k_task2",
        task="seq2seq_lm",
        languages=_LANGUAGES,
        licence="none stated; treat as non-commercial",
        citation=(
            "Elliott et al. (2016). Multi30K: multilingual English-German image descriptions. VL."
        ),
        homepage="https://github.com/multi30k/dataset",
        description=(
            "Five English and five German captions of 30,014 photographs, written independently: "
            "no translations, but texts to translate back."
        ),
        splits={"train": 145_000, "dev": 5_070},
        files=tuple(
            RemoteFile(f"{stem}.{n}.{language}.gz", f"{_ADDRESS}/{stem}.{n}.{language}.gz")
            for stem in _SPLITS.values()
            for n in _CAPTIONS
            for language in _LANGUAGES
        ),
        digests={
            "train.1.en": "5d15cc8d37092ed48bcd9a4111d7af506398191ede3e9f38222665db5af8898f",
            "train.1.de": "e11483c050bc558db04872982a592402d60681b340b22963287ca238c4c1167f",
            "train.2.en": "5f2e3b29c7fba7b3297a741f7b5f9076b99978e2fc435ca27af998edbcdd5323",
            "train.2.de": "36229894fb379862fcf8b430c91e2ea4511b483d9c80edace6d7879217d0c440",
            "train.3.en": "cc59c1885e07e2c26c5c38e0527fb666691c5dcbd2c33e01bbcfa03cb3541b26",
            "train.3.de": "02b7315ccbb4691853077c022ed11992e1a6531136e2d7e83f720115bfffbdc4",
            "train.4.en": "0818e2952addaab04cffb478cb8ffbb41bccb6725f73278424a20de18d6c3a00",
            "train.4.de": "382c76ad2d91e97e43adb982360128dc624d4cd7ae75c5a787558b095791c641",
            "train.5.en": "0f182d66afc1bd49dc766f59d5ef29e6ced43924307a27f44d9cd56d03520c6c",
            "train.5.de": "cfbc33a2aa9c183704f1a67eb24f0edd52d7f5d0afd57c909bef99ff611e5c04",
            "dev.1.en": "70819256941644a5193eddc0f5e71aef39cc27397f9d735957b0007109f203db",
            "dev.1.de": "b464ba8c02d6483a93f9c93af6982a5fddf4d98e35e268a2440772010e91208e",
            "dev.2.en": "ff254a0db4347ebf5e488bcda5e9fb96cb754ee3ea13d779383a4ddbcbb05467",
            "dev.2.de": "3022e82393f0f754ae85bc7b60a0a4a5956f0f5f73a9c9d500d7ad90b13c0a6e",
            "dev.3.en": "9bafb6a814413a426a1e7c9deeff8f3b910d5e1b69e92a7def303ff85f585b13",
            "dev.3.de": "2c161c2ace5f8ba3cb68287f0feec6f5258cbaa47ccf0a5dc5830a78d7507fe8",
            "dev.4.en": "33e845f4f004adc0423b701e0239f0d0686ae54217320cf0190895e3145318d1",
            "dev.4.de": "83b4b4d4f8aeb4860d8aea900951a22d4dc5ce94c1054407a545141420ce2ea3",
            "dev.5.en": "fba7d4ddf1042b42f156ca11b4d35d056e4a30dd0ce7733c2ce51685b27da6d1",
            "dev.5.de": "5b3fe372b4541485a7745141f0ae6e5958e03d86af09a57b8d77f150a74b1127",
        },
    )
    stored = {
        f"{split}.{n}.{language}": f"{stem}.{n}.{language}"
        for split, stem in _SPLITS.items()
        for n in _CAPTIONS
        for language in _LANGUAGES
    }
    columns = ("text",)

    def parse(self, lines: Iterator[str]) -> Iterator[tuple[str]]:
        for line in lines:
            yield (line,)

    def load(self, source: str = "en", target: str = "de") -> Dataset:
        """Loads the captions of both languages; see `PublicDataset.load`.

        Args:
            source: The language of the column `"source"`. Defaults to `"en"`.
            target: The language of the column `"target"`. Defaults to `"de"`.
        """
        check_pair(self.card, source, target)
        folder = self.get()

        def captions(split, language):
            parts = (self.read(folder, f"{split}.{n}.{language}")["text"] for n in _CAPTIONS)
            return [text for part in parts for text in part]

        splits = {
            split: {"source": captions(split, source), "target": captions(split, target)}
            for split in _SPLITS
        }
        return as_dataset(self.card, splits, languages=(source, target))
