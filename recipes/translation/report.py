"""What a translation run shows of itself: samples, BLEU by length, alignments."""

from typing import TYPE_CHECKING

from zoo.training.samples import worst_and_best

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.data import Columns
    from zoo.models import Seq2SeqLM
    from zoo.tracking import Run

PICTURES = 10


def report(model: "Seq2SeqLM", columns: "Columns", run: "Run", samples: int) -> None:
    """Keeps with the run the quality by length, a table of translations, and alignments.

    Args:
        model: The trained translator.
        columns: Sources and targets that it was not trained on.
        run: The run.
        samples: How many rows the table has: the worst and the best translations by chrF, in
            equal parts. With 0 there are neither samples nor alignments.
    """
    from sacrebleu.metrics import CHRF

    from zoo.metrics import bleu_by_length, signatures

    sources, references = columns["source"], columns["target"]
    language = model.languages and model.languages[1]
    answers = model.infer(sources)
    written = [answer.text for answer in answers]
    run.log_tags({f"signature.{name}": text for name, text in signatures(language).items()})
    words = [len(source.split()) for source in sources]
    run.log_figure(draw_lengths(bleu_by_length(references, written, words)), "figures/lengths.png")
    if not samples:
        return
    chrf = CHRF()
    scores = [
        chrf.sentence_score(text, [reference]).score
        for text, reference in zip(written, references, strict=True)
    ]
    rows = worst_and_best(scores, samples)
    run.log_table(
        {
            "source": [sources[row] for row in rows],
            "written": [written[row] for row in rows],
            "reference": [references[row] for row in rows],
            "chrf": [round(scores[row], 1) for row in rows],
            "score": [round(answers[row].score, 4) for row in rows],
        },
        "samples.json",
    )
    if model.backbone.attention == "none":
        return
    pictured = [row for row, source in enumerate(sources) if source.strip()][:PICTURES]
    for number, row in enumerate(pictured, 1):
        figure = model.explain(sources[row]).figure()
        run.log_figure(figure, f"attention/{number:02}.png")


def draw_lengths(buckets: list[tuple[str, int, float]]) -> "Figure":
    """BLEU by words in the source: a bar for each bucket, with how many sentences it has."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    labels = [label for label, _, _ in buckets]
    bars = axes.bar(labels, [bleu for _, _, bleu in buckets], color="#e07b12")
    axes.bar_label(bars, [f"{bleu:.1f}\n{count:,}" for _, count, bleu in buckets], fontsize=8)
    axes.set(xlabel="words in the source", ylabel="BLEU")
    axes.margins(y=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure
