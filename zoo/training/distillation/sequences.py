"""Sequence-level distillation: what a teacher writes is what a student learns to write."""

import math
from collections.abc import Sequence

import numpy as np

from zoo.training.display import Display
from zoo.training.distillation.teacher import Teacher


def translate(
    teacher: Teacher, sources: Sequence[str], languages: Sequence[str], beam: int, display: Display
) -> list[str]:
    """The translations of a teacher by beam search.

    Args:
        teacher: The teacher, a `Seq2SeqLM`.
        sources: Texts.
        languages: Languages of source and target; empty if unknown.
        beam: int. Size of the beam.
        display: Shows the progress.

    Returns:
        A translation for each source, from the disk where it is known.

    Raises:
        ValueError: if the teacher translates other languages, or its scores are not numbers.

    References:
        - Kim and Rush 2016, "Sequence-level knowledge distillation", section 3.2.
    """
    known = teacher.model.languages
    if known and languages and tuple(known) != tuple(languages):
        raise ValueError(
            "A teacher must translate the languages of the data: choose another training.teacher. "
            f"Received: {teacher.source} from {' to '.join(known)}, the data from "
            f"{' to '.join(languages)}"
        )

    def ask(model, texts):
        answers = model.infer(texts, beam=beam)
        if not all(math.isfinite(answer.score) for answer in answers):
            raise ValueError(
                "The scores of a teacher must be numbers: its weights are damaged, or it "
                f"overflows. Choose another training.teacher. Received: {teacher.source} with NaN"
            )
        return {"text": np.array([answer.text for answer in answers])}

    options = f"beam={beam}"
    teacher.probe(sources, ask, options)
    written = teacher.answers(sources, ask, display, options)["text"].tolist()
    teacher.unload()
    return written
