"""Distillation of taggers: the soft tags of teachers, and the losses of a student on them."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from zoo.data import Columns
from zoo.layers.crf.inference import IMPOSSIBLE
from zoo.models import TokenClassifier
from zoo.training.display import Display
from zoo.training.distillation.schema import SoftLabelTraining
from zoo.training.distillation.soft_labels import (
    UNLABELLED,
    DistillationLoss,
    divergence,
    sentence_divergence,
    soft_labels,
)
from zoo.training.distillation.teacher import Teacher
from zoo.training.losses import SentenceCrossentropy, TokenCrossentropy


def taught(
    columns: Columns, teachers: Sequence[Teacher], tags: Sequence[str], display: Display
) -> Columns:
    """Adds the answers of teachers to the columns of sentences that are split into words.

    Unlabelled sentences that are longer than a teacher reads are left out.

    Args:
        columns: `tokens`, `tags` and optionally `intent`, the last two `None` where unknown.
        teachers: The teachers.
        tags: The tags of the student.
        display: Shows the progress.

    Returns:
        The columns with `teacher`, log-probabilities `[words, tags]` for each sentence, and with
        intents `teacher_intent`, `[intents]` for each.
    """
    columns = _without_long_sentences(columns, teachers, display)
    classes = {"tags": tags}
    if intents := sorted({it for it in columns.get("intent", ()) if it is not None}):
        classes["intent"] = intents
    found = soft_labels(
        teachers,
        columns["tokens"],
        classes,
        lambda teacher: {"tags": teacher.tags, "intent": teacher.intents},
        lambda teacher, sentences: teacher.probabilities(sentences),
        display,
    )
    ends = np.cumsum([len(words) for words in columns["tokens"]])
    columns = columns | {"teacher": np.split(found["tags"], ends[:-1])}
    return columns | ({"teacher_intent": list(found["intent"])} if intents else {})


def _without_long_sentences(
    columns: Columns, teachers: Sequence[Teacher], display: Display
) -> Columns:
    """The rows that have tags, and those that each teacher reads whole."""
    unlabelled = [row for row, tags in enumerate(columns["tags"]) if tags is None]
    sentences = [columns["tokens"][row] for row in unlabelled]
    fit = [teacher.model.preprocessor.fits(sentences) for teacher in teachers]
    left_out = {
        row for row, each in zip(unlabelled, zip(*fit, strict=True), strict=True) if not all(each)
    }
    if not left_out:
        return columns
    display.say(
        f"left out, longer than a teacher reads: {len(left_out):,} of the unlabelled sentences"
    )
    return {
        name: [value for row, value in enumerate(values) if row not in left_out]
        for name, values in columns.items()
    }


def losses(model: TokenClassifier, settings: SoftLabelTraining) -> dict[str, DistillationLoss]:
    """The losses of a student on the answers of its teachers, by output.

    Args:
        model: The student.
        settings: The section `training`.
    """
    crf, words = model.crf, TokenCrossentropy()
    sentences = SentenceCrossentropy(settings.label_smoothing)

    def known(ids, potentials):
        """Which words have a tag, and the ids of the tags."""
        valid = ops.any(potentials > IMPOSSIBLE / 2, axis=-1)  # [batch, words]
        return ops.logical_and(valid, ids != UNLABELLED), ops.maximum(ids, 0)

    def crf_loss(ids, potentials):
        mask, ids = known(ids, potentials)
        return -crf.log_likelihood(ids, potentials, mask)  # 0 of a sentence without words

    def softmax_loss(ids, potentials):
        mask, ids = known(ids, potentials)
        return sentences.call(ids, ops.where(mask[:, :, None], potentials, IMPOSSIBLE))

    def crf_divergence(log_probabilities, potentials, temperature):
        return crf.divergence(log_probabilities, potentials, temperature=temperature)

    def intent_loss(ids, logits):
        return words.call(ops.maximum(ids, 0)[:, None], logits[:, None])[:, 0]

    def loss(hard, soft):
        return DistillationLoss(hard, soft, settings.temperature, settings.teacher_weight)

    is_crf = model.head == "crf"
    tags = loss(crf_loss, crf_divergence) if is_crf else loss(softmax_loss, sentence_divergence)
    return {"tags": tags} | ({"intent": loss(intent_loss, divergence)} if model.intents else {})
