"""Texts of labelled datasets, without their labels, for language models."""

from dataclasses import replace
from pathlib import Path

from zoo.data.dataset import Dataset, DatasetCard, as_dataset
from zoo.data.imdb import Imdb
from zoo.data.nsmc import Nsmc
from zoo.data.public import PublicDataset


class _Reviews(PublicDataset):
    """Base class: the files and splits of a labelled dataset, and the column `text` alone.

    Attributes:
        labelled: The class of that dataset.
    """

    labelled: type[PublicDataset]

    def path(self) -> Path | None:
        return self.labelled().path()

    def get(self) -> Path:
        return self.labelled().get()

    def load(self) -> Dataset:
        splits = self.labelled().load().splits
        return as_dataset(self.card, {name: {"text": it["text"]} for name, it in splits.items()})


def _card(labelled: DatasetCard, description: str) -> DatasetCard:
    return replace(
        labelled,
        name=f"{labelled.name}_reviews",
        task="causal_lm",
        description=description,
    )


class ImdbReviews(_Reviews, Imdb):
    """The reviews of `imdb`, in its splits."""

    labelled = Imdb
    card = _card(Imdb.card, "The texts of imdb without labels: 50,000 long English film reviews.")


class NsmcReviews(_Reviews, Nsmc):
    """The comments of `nsmc`, in its splits."""

    labelled = Nsmc
    card = _card(Nsmc.card, "The texts of nsmc without labels: 200,000 Korean film comments.")
