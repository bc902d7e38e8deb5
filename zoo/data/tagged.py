"""What all datasets of tagged words share."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from zoo.data.dataset import Dataset
from zoo.data.public import PublicDataset


def tag_set(tags: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """All the tags of sentences, sorted, each once.

    Args:
        tags: The tags of each sentence, such as `dataset.splits["train"]["tags"]`.
    """
    return tuple(sorted({tag for sentence in tags for tag in sentence}))


class TaggedDataset(PublicDataset):
    """A public dataset for the task `"token_classifier"`.

    Its splits have the columns `"tokens"` and `"tags"`, for each sentence a list of words and
    one of as many tags, and `"intent"`, a string, if each sentence has one. Its labels are the
    tags of train, sorted; dev and test may have others.
    """

    columns = ("tokens", "tags")

    def load(self) -> Dataset:
        """Finds, reads and checks the dataset."""
        dataset = super().load()
        return replace(dataset, labels=tag_set(dataset.splits["train"]["tags"]))
