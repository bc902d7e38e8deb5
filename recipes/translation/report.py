"""Report of a translation run: BLEU by length, samples, explanations."""

from matplotlib.figure import Figure
from sacrebleu.metrics import CHRF

from zoo.data import Columns
from zoo.metrics import bleu_by_length, signatures
from zoo.models import Seq2SeqLM
from zoo.tracking import Run
from zoo.training.samples import log_explanations, worst_and_best

NUM_FIGURES = 10


def report(model: Seq2SeqLM, columns: Columns, run: Run, samples: int) -> None:
    """Logs BLEU by length, a table of translations, and explanations.

    Args:
        model: The trained translator.
        columns: Sources and targets it was not trained on.
        run: The run.
        samples: Number of rows in the table: the worst and the best translations by chrF, in
            equal parts. With 0, neither samples nor explanations are logged.
    """
    sources, references = columns["source"], columns["target"]
    language = model.languages and model.languages[1]
    answers = model.infer(sources)
    predicted = [answer.text for answer in answers]
    run.log_tags({f"signature.{name}": text for name, text in signatures(language).items()})
    words = [len(source.split()) for source in sources]
    buckets = bleu_by_length(references, predicted, words)
    run.log_figure(draw_lengths(buckets), "figures/lengths.png")
    if not samples:
        return
    chrf = CHRF()
    scores = [
        chrf.sentence_score(text, [reference]).score
        for text, reference in zip(predicted, references, strict=True)
    ]
    rows = worst_and_best(scores, samples)
    run.log_table(
        {
            "source": [sources[row] for row in rows],
            "predicted": [predicted[row] for row in rows],
            "reference": [references[row] for row in rows],
            "chrf": [round(scores[row], 1) for row in rows],
            "score": [round(answers[row].score, 4) for row in rows],
        },
        "samples.json",
    )
    log_explanations(run, model, [source for source in sources if source.strip()][:NUM_FIGURES])


def draw_lengths(buckets: list[tuple[str, int, float]]) -> Figure:
    """Draws BLEU by the number of source words: a bar for each bucket, with its BLEU and size.

    Args:
        buckets: Label, number of sentences and BLEU of each bucket.
    """
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    labels = [label for label, _, _ in buckets]
    bars = axes.bar(labels, [bleu for _, _, bleu in buckets], color="#e07b12")
    axes.bar_label(bars, [f"{bleu:.1f}\n{count:,}" for _, count, bleu in buckets], fontsize=8)
    axes.set(xlabel="words in the source", ylabel="BLEU")
    axes.margins(y=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
