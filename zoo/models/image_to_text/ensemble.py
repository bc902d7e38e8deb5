"""Ensembles: several captioners that describe an image together."""

from collections.abc import Sequence
from statistics import fmean

from zoo.models.checks import require_preprocessor
from zoo.models.generation.ensemble import (
    SharedSteps,
    check_members,
    differences_of_tokenizers,
)
from zoo.models.image_to_text.task import ImageToText
from zoo.models.image_to_text.writing import CaptionWriter


class CaptionEnsemble(SharedSteps, CaptionWriter):
    """Captioners of any architectures that write one caption: the mean of their probabilities.

    Each member sees the image by its own CNN, at its own size. All options of `infer` and `score`
    are those of `ImageToText`, without a coverage penalty, because the members attend to grids of
    their own. The length penalty is the mean of the members'.

    Args:
        members: At least two `ImageToText`s with the same vocabulary.

    Raises:
        ValueError: if there are fewer, or their vocabularies differ.
    """

    has_attention = False  # that all share

    def __init__(self, members: Sequence[ImageToText]):
        self._members = check_members(
            members, ImageToText, "write a text for an image", _differences
        )
        self.length_penalty = fmean(it.length_penalty for it in self._members)
        self.preprocessor = min(
            (it.preprocessor for it in self._members), key=lambda it: it.sequence_length
        )

    def encoder_inputs_of(self, encoder_inputs):
        return [(grid,) for grid in encoder_inputs]

    def _mean_of_attention(self, weights):
        return weights[0]  # which nothing uses

    def _grids(self, images):
        return tuple(member.features(images) for member in self._members)


def _differences(one: ImageToText, other: ImageToText):
    first, second = map(require_preprocessor, (one.preprocessor, other.preprocessor))
    yield from differences_of_tokenizers("vocabulary", first.tokenizer, second.tokenizer)
