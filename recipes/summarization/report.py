"""Report of a summarization run: samples and explanations."""

from zoo.data import Columns
from zoo.metrics import summary_score_each
from zoo.models import Seq2SeqLM
from zoo.tracking import Run
from zoo.training.samples import log_explanations, worst_and_best

NUM_FIGURES = 10


def report(model: Seq2SeqLM, columns: Columns, run: Run, samples: int) -> None:
    """Logs a table of summaries, and explanations, which show what was copied.

    Args:
        model: The trained model.
        columns: Sources and targets it was not trained on.
        run: The run.
        samples: Number of rows in the table: the worst and the best summaries by ROUGE-L, in equal
            parts. With 0, neither samples nor explanations are logged.
    """
    if not samples:
        return
    sources, references = columns["source"], columns["target"]
    answers = model.infer(sources)
    predicted = [answer.text for answer in answers]
    scores = summary_score_each(references, predicted)
    rows = worst_and_best(scores, samples)
    run.log_table(
        {
            "source": [sources[row] for row in rows],
            "predicted": [predicted[row] for row in rows],
            "reference": [references[row] for row in rows],
            "rouge_l": [round(scores[row], 1) for row in rows],
            "score": [round(answers[row].score, 4) for row in rows],
        },
        "samples.json",
    )
    log_explanations(run, model, [source for source in sources if source.strip()][:NUM_FIGURES])
