"""Distillation of models that write: their translations, and their probabilities of words."""

import math
from collections.abc import Sequence

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.models.generation.ensemble import mean_of_probabilities
from zoo.training.display import Display
from zoo.training.distillation.soft_labels import divergence
from zoo.training.distillation.teacher import Teacher
from zoo.training.losses import TokenCrossentropy


def translate(teacher: Teacher, sources: Sequence[str], beam: int, display: Display) -> list[str]:
    """The translations of a teacher by beam search.

    Args:
        teacher: The teacher, a `Seq2SeqLM`.
        sources: Texts.
        beam: int. Size of the beam.
        display: Shows the progress.

    Returns:
        A translation for each source, from the disk where it is known.

    Raises:
        ValueError: if the scores of the teacher are not numbers.

    References:
        - Kim and Rush 2016, "Sequence-level knowledge distillation", section 3.2.
    """

    def ask(model, texts):
        answers = model.infer(texts, beam=beam)
        if not all(math.isfinite(answer.score) for answer in answers):
            raise ValueError(
                "The scores of a teacher must be numbers: its weights are damaged, or it "
                f"overflows. Choose another {teacher.key}. Received: {teacher.source} with NaN"
            )
        return {"text": np.array([answer.text for answer in answers])}

    options = f"beam={beam}"
    teacher.probe(sources, ask, options)
    written = teacher.answers(sources, ask, display, options)["text"].tolist()
    teacher.unload()
    return written


def check_languages(teacher: Teacher, languages: Sequence[str]) -> None:
    """Raises a `ValueError` if a teacher translates other languages, as far as they are known."""
    known = teacher.model.languages
    if known and languages and tuple(known) != tuple(languages):
        raise ValueError(
            "A teacher must translate the languages of the data: choose another training.teacher. "
            f"Received: {teacher.source} from {' to '.join(known)}, the data from "
            f"{' to '.join(languages)}"
        )


def check_same_vocabulary(teacher: Teacher, preprocessor: keras_hub.models.Preprocessor) -> None:
    """Raises a `ValueError` if the tokens of a student are not those of its teacher."""
    known = teacher.model.preprocessor
    for name in ("tokenizer", "source_tokenizer"):
        teachers, students = getattr(known, name), getattr(preprocessor, name)
        if teachers.get_vocabulary() != students.get_vocabulary():
            raise ValueError(
                "A teacher whose probabilities of words are learned must have the student's "
                "vocabulary: leave training.init_from out, which takes the teacher's, or set "
                f"training.teacher_mode=sequence. Received: another {name} in {teacher.source}"
            )


def with_teacher(student: keras.Model, teacher: Teacher) -> keras.Model:
    """The logits of student and teacher, `[batch, target, 2, vocabulary]`, of one batch.

    Args:
        student: The model that is trained.
        teacher: A `Seq2SeqLM` with the same inputs, or an ensemble of such, whose weights stay as
            they are.
    """
    members = teacher.model.members()
    for place, member in enumerate(members):
        member.trainable = False
        member.name = f"teacher_{place}"  # models of two files may have one name
    taught = mean_of_probabilities([it(student.input, training=False) for it in members])
    logits = [ops.cast(student.output, "float32"), taught]
    return keras.Model(student.input, ops.stack(logits, axis=2))


class WordDistillation(TokenCrossentropy):
    """Loss on the tokens and on a teacher's distributions of tokens.

    `w T² KL(q_T ‖ p_T) + (1 - w) L` for each token, as in `DistillationLoss`.

    Args:
        temperature: float. `T`.
        weight: float. `w`.
        label_smoothing: float. See `TokenCrossentropy`.

    Call arguments:
        y_true: Integer tensor `[batch, time]`.
        y_pred: What `with_teacher` returns.
        sample_weight: Float tensor `[batch, time]`.

    References:
        - Kim and Rush 2016, "Sequence-level knowledge distillation", section 3.1.
    """

    def __init__(self, temperature, weight, label_smoothing=0.0, **kwargs):
        super().__init__(label_smoothing, name="word_distillation", **kwargs)
        self.temperature, self.weight = temperature, weight

    def call(self, y_true, y_pred):
        student, taught = y_pred[:, :, 0], ops.stop_gradient(y_pred[:, :, 1])
        loss = self.temperature**2 * divergence(taught, student, self.temperature)
        if self.weight == 1:
            return loss
        return self.weight * loss + (1 - self.weight) * super().call(y_true, student)
