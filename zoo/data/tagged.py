"""Base class of public datasets for tagging, and the set of tags of a dataset."""

from collections.abc import Iterable, Sequence

from zoo.data.dataset import Columns, ordered_labels
from zoo.data.public import PublicDataset


def tag_set(tags: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """All the tags of sentences, sorted, each once.

    Args:
        tags: The tags of each sentence, such as `dataset.splits["train"]["tags"]`.
    """
    return tuple(sorted({tag for sentence in tags for tag in sentence}))


class TaggedDataset(PublicDataset):
    """Base class of public datasets for the task `"token_classifier"`.

    Its splits have the columns `"tokens"` and `"tags"`, for each sentence a list of words and
    a list of as many tags, and `"intent"`, a string, if each sentence has one.
    """

    columns: tuple[str, ...] = ("tokens", "tags")

    def ordered_labels(self, splits: dict[str, Columns]) -> tuple[str, ...]:
        """The tags in the order of their ids: `labels`, by default the tags of train, sorted.

        Published dev and test splits may have further tags, which no model can predict: they are
        no error.

        Raises:
            ValueError: if train has a tag that is not among `labels`.
        """
        train = {f"{self.card.name} train": tag_set(splits["train"]["tags"])}
        return ordered_labels(train, self.labels)
