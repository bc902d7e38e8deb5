"""Registry of datasets by name."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from zoo.data.behaviour import BehaviourEn, BehaviourKo
from zoo.data.chatbot_ko import ChatbotKo
from zoo.data.cmudict import Cmudict
from zoo.data.dataset import Dataset, DatasetCard
from zoo.data.embedded import NsmcMini, SnipsMini
from zoo.data.english_sentences import EnglishSentences
from zoo.data.flickr8k import Flickr8k
from zoo.data.fsdd import Fsdd
from zoo.data.fsdd_strings import FsddStrings
from zoo.data.generated_brackets import GeneratedBrackets
from zoo.data.generated_dates import GeneratedDates
from zoo.data.generated_morse import GeneratedMorse
from zoo.data.generated_pronouns import GeneratedPronouns
from zoo.data.generated_remarks import GeneratedRemarks
from zoo.data.generated_requests import GeneratedRequests
from zoo.data.generated_reviews import GeneratedReviews
from zoo.data.generated_scenes import GeneratedScenes
from zoo.data.generated_slots import GeneratedSlots
from zoo.data.imdb import Imdb
from zoo.data.klue_ner import KlueNer
from zoo.data.multi30k import Multi30k
from zoo.data.multi30k_task2 import Multi30kTask2
from zoo.data.nsmc import Nsmc
from zoo.data.public import PublicDataset
from zoo.data.reviews import ImdbReviews, NsmcReviews
from zoo.data.sae4k import Sae4k
from zoo.data.slots_and_intents import Atis, Snips
from zoo.data.sst2 import Sst2
from zoo.data.tatoeba import TatoebaKorEng
from zoo.data.tiny_shakespeare import TinyShakespeare
from zoo.data.universal_dependencies import UdEnglishEwt, UdKoreanGsd, UdKoreanKaist
from zoo.data.wikitext2 import WikiText2
from zoo.data.wnut17 import Wnut17
from zoo.suggestions import did_you_mean


class NamedDataset(Protocol):
    """A class of the registry: a card, and a method `load` with the dataset's own options."""

    card: DatasetCard

    @property
    def load(self) -> Callable[..., Dataset]: ...


_DATASETS: dict[str, type[NamedDataset]] = {
    dataset.card.name: dataset
    for dataset in (
        Atis,
        BehaviourEn,
        BehaviourKo,
        ChatbotKo,
        Cmudict,
        EnglishSentences,
        Flickr8k,
        Fsdd,
        FsddStrings,
        GeneratedBrackets,
        GeneratedDates,
        GeneratedMorse,
        GeneratedPronouns,
        GeneratedRemarks,
        GeneratedRequests,
        GeneratedReviews,
        GeneratedScenes,
        GeneratedSlots,
        Imdb,
        ImdbReviews,
        KlueNer,
        Multi30k,
        Multi30kTask2,
        Nsmc,
        NsmcMini,
        NsmcReviews,
        Sae4k,
        Snips,
        SnipsMini,
        Sst2,
        TatoebaKorEng,
        TinyShakespeare,
        UdEnglishEwt,
        UdKoreanGsd,
        UdKoreanKaist,
        WikiText2,
        Wnut17,
    )
}


def list_datasets() -> list[DatasetCard]:
    """The cards of all named datasets, sorted by name. No dataset is loaded."""
    return [dataset.card for dataset in _DATASETS.values()]


def load(name: str, **options) -> Dataset:
    """Loads a named dataset and verifies it; downloads it first if it is not on this machine.

    Args:
        name: One of `list_datasets()`.
        **options: Options of the dataset: `train`, `dev`, `test` (numbers of rows) and `seed` for
            generated ones, and `size` (pixels) for scenes; `source` and `target`, two of its
            languages, for translation; `column`, the tags to read, for treebanks; `stress` for
            pronunciations; a speaker to leave out for speech.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: if the name or an option is unknown, or a file is damaged.
        ConnectionError: if the dataset cannot be downloaded.
    """
    dataset = _find(name)
    allowed = list(inspect.signature(dataset.load).parameters)
    for option in options:
        if option not in allowed:
            takes = f"only {', '.join(allowed)}" if allowed else "no options"
            raise ValueError(f"The dataset {name!r} takes {takes}. Received: {option!r}")
    return dataset.load(**options)


def get(name: str) -> Path:
    """The folder with a dataset's files, which are downloaded if they are not on this machine.

    `$ZOO_DATA/NAME` is searched first, then the cache, `data/NAME` in `zoo.home.home()`.

    Raises:
        ValueError: if the name is unknown, the dataset is generated (and so has no files), or
            the downloaded content differs from the published one.
        ConnectionError: if the dataset cannot be downloaded.
    """
    dataset = _find(name)
    if not isinstance(dataset, PublicDataset):
        raise ValueError(
            f"The dataset {name!r} is generated and has no files: use `zoo.data.load({name!r})`. "
            f"Received: name={name!r}"
        )
    return dataset.get()


def path(name: str) -> Path | None:
    """The folder with a dataset's files; `None` if it is not on this machine, or generated."""
    dataset = _find(name)
    return dataset.path() if isinstance(dataset, PublicDataset) else None


def _find(name: str) -> NamedDataset:
    if name in _DATASETS:
        return _DATASETS[name]()
    raise ValueError(
        f"Unknown dataset.{did_you_mean(str(name), _DATASETS)} The datasets are "
        f"{', '.join(_DATASETS)} (`zoo data ls`). Received: name={name!r}"
    )
