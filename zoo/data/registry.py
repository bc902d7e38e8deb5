"""Datasets by name."""

import inspect
from pathlib import Path

from zoo.data.dataset import Dataset, DatasetCard
from zoo.data.flickr8k import Flickr8k
from zoo.data.generated_dates import GeneratedDates
from zoo.data.generated_reviews import GeneratedReviews
from zoo.data.generated_scenes import GeneratedScenes
from zoo.data.generated_slots import GeneratedSlots
from zoo.data.imdb import Imdb
from zoo.data.multi30k import Multi30k
from zoo.data.nsmc import Nsmc
from zoo.data.public import PublicDataset
from zoo.data.slots_and_intents import Atis, Snips
from zoo.data.sst2 import Sst2
from zoo.data.tatoeba import TatoebaKorEng
from zoo.data.universal_dependencies import UdEnglishEwt, UdKoreanGsd, UdKoreanKaist
from zoo.data.wnut17 import Wnut17
from zoo.suggestions import did_you_mean

_DATASETS = {
    dataset.card.name: dataset
    for dataset in (
        Atis,
        Flickr8k,
        GeneratedDates,
        GeneratedReviews,
        GeneratedScenes,
        GeneratedSlots,
        Imdb,
        Multi30k,
        Nsmc,
        Snips,
        Sst2,
        TatoebaKorEng,
        UdEnglishEwt,
        UdKoreanGsd,
        UdKoreanKaist,
        Wnut17,
    )
}


def list_datasets() -> list[DatasetCard]:
    """The card of every named dataset, by name. Loads nothing."""
    return [dataset.card for dataset in _DATASETS.values()]


def load(name: str, **options) -> Dataset:
    """Loads a dataset: finds it on this machine, downloads it if need be, and checks it.

    Args:
        name: One of `list_datasets()`.
        **options: What the dataset takes: generated ones take `train`, `dev`, `test` (rows of
            each) and `seed`, and that of scenes `size` (pixels); those for translation take
            `source` and `target`, two of their languages; treebanks take `column`, the tags to
            read; the others nothing.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: for a name or an option that is not known, or files that are damaged.
        ConnectionError: if it had to be downloaded and could not.
    """
    dataset = _find(name)
    allowed = list(inspect.signature(dataset.load).parameters)
    for option in options:
        if option not in allowed:
            takes = f"only {', '.join(allowed)}" if allowed else "no options"
            raise ValueError(f"The dataset {name!r} takes {takes}. Received: {option!r}")
    return dataset.load(**options)


def get(name: str) -> Path:
    """The folder with a dataset's files, downloaded first if this machine has none.

    `$ZOO_DATA/NAME` is looked at first, then the cache, `data/NAME` in the zoo's home.

    Raises:
        ValueError: for a name that is not known, a generated dataset, which has no files, or
            a download that is not what it should be.
        ConnectionError: if the address cannot be reached.
    """
    dataset = _find(name)
    if not isinstance(dataset, PublicDataset):
        raise ValueError(
            f"The dataset {name!r} is generated and has no files: `zoo.data.load({name!r})` "
            f"makes it. Received: name={name!r}"
        )
    return dataset.get()


def path(name: str) -> Path | None:
    """The folder with a dataset's files, or `None` if this machine has none."""
    dataset = _find(name)
    return dataset.path() if isinstance(dataset, PublicDataset) else None


def _find(
    name: str,
) -> PublicDataset | GeneratedDates | GeneratedReviews | GeneratedScenes | GeneratedSlots:
    if name in _DATASETS:
        return _DATASETS[name]()
    raise ValueError(
        f"There is no dataset of that name.{did_you_mean(str(name), _DATASETS)} There are "
        f"{', '.join(_DATASETS)} (`zoo data ls`). Received: name={name!r}"
    )
