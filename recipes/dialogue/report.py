"""Report of a dialogue run: a table of answers, the most frequent answers, explanations."""

from collections import Counter

import numpy as np

from zoo.data import Columns
from zoo.models import Seq2SeqLM
from zoo.tracking import Run
from zoo.training.samples import log_explanations

NUM_FIGURES = 10
NUM_FREQUENT = 20


def report(model: Seq2SeqLM, columns: Columns, run: Run, samples: int) -> None:
    """Logs a table of answers, that of the most frequent ones, and explanations.

    Args:
        model: The trained model.
        columns: Remarks and answers it was not trained on.
        run: The run.
        samples: Number of rows in the table, spread evenly over the split. With 0, nothing is
            logged.
    """
    if not samples:
        return
    remarks, references = columns["source"], columns["target"]
    answers = model.infer(remarks)
    count = min(samples, len(remarks))
    rows = np.linspace(0, len(remarks) - 1, count).round().astype(int).tolist()
    run.log_table(
        {
            "remark": [remarks[row] for row in rows],
            "answer": [answers[row].text for row in rows],
            "reference": [references[row] for row in rows],
            "score": [round(answers[row].score, 4) for row in rows],
        },
        "samples.json",
    )
    frequent = Counter(answer.text for answer in answers).most_common(NUM_FREQUENT)
    run.log_table(
        {
            "answer": [text for text, _ in frequent],
            "share": [round(number / len(answers), 4) for _, number in frequent],
        },
        "frequent_answers.json",
    )
    log_explanations(run, model, [remark for remark in remarks if remark.strip()][:NUM_FIGURES])
