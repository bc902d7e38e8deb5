"""Report of a translation run: scores by length, samples, explanations."""

from matplotlib.figure import Figure

from zoo.data import Columns
from zoo.metrics import (
    bleu_by_length,
    score_pronunciations,
    signatures,
    translation_score_each,
    word_error_rate_by_length,
)
from zoo.models import Seq2SeqLM
from zoo.tracking import Run
from zoo.training.samples import log_explanations, worst_and_best

NUM_FIGURES = 10


def report(model: Seq2SeqLM, columns: Columns, run: Run, samples: int) -> None:
    """Logs scores by length, a table of translations or pronunciations, and explanations.

    Args:
        model: The trained translator.
        columns: Sources and targets it was not trained on.
        run: The run.
        samples: Number of rows in the table: the worst and the best translations by chrF, or
            pronunciations by their errors, in equal parts. With 0, neither samples nor explanations
            are logged.
    """
    if model.writes_symbols:
        _report_pronunciations(model, columns, run, samples)
    else:
        _report_translations(model, columns, run, samples)
    if samples:
        sources = [source for source in dict.fromkeys(columns["source"]) if source.strip()]
        log_explanations(run, model, sources[:NUM_FIGURES])


def _report_translations(model, columns, run, samples):
    sources, references = columns["source"], columns["target"]
    language = model.languages and model.languages[1]
    answers = model.infer(sources)
    predicted = [answer.text for answer in answers]
    run.log_tags({f"signature.{name}": text for name, text in signatures(language).items()})
    words = [len(source.split()) for source in sources]
    buckets = bleu_by_length(references, predicted, words, language=language)
    run.log_figure(draw_lengths(buckets), "figures/lengths.png")
    if not samples:
        return
    scores = translation_score_each(references, predicted, "chrf", language)
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


def _report_pronunciations(model, columns, run, samples):
    answers = [answer.text for answer in model.infer(columns["source"])]
    scored = score_pronunciations(columns["source"], columns["target"], answers)
    buckets = word_error_rate_by_length(scored)
    figure = draw_lengths(buckets, "letters in the word", "word error rate, %")
    run.log_figure(figure, "figures/lengths.png")
    if not samples:
        return
    rows = [scored[i] for i in worst_and_best([-row.errors for row in scored], samples)]
    run.log_table(
        {
            "word": [row.word for row in rows],
            "predicted": [row.hypothesis for row in rows],
            "references": [" | ".join(row.references) for row in rows],
            "errors": [row.errors for row in rows],
        },
        "samples.json",
    )


def draw_lengths(
    buckets: list[tuple[str, int, float]],
    xlabel: str = "words in the source",
    ylabel: str = "BLEU",
) -> Figure:
    """Draws a score by the length of the source: a bar for each bucket, with its score and size.

    Args:
        buckets: Label, number of rows and score of each bucket.
        xlabel: What the length counts.
        ylabel: The score.
    """
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    labels = [label for label, _, _ in buckets]
    bars = axes.bar(labels, [score for _, _, score in buckets], color="#e07b12")
    axes.bar_label(bars, [f"{score:.1f}\n{count:,}" for _, count, score in buckets], fontsize=8)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.margins(y=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
