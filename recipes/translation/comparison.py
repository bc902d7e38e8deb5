"""Comparison of the translators of a study: BLEU, BLEU by length, speed."""

import time

from matplotlib import colormaps
from matplotlib.figure import Figure

from zoo.data import Columns
from zoo.metrics import bleu_by_length, signatures, translation_scores
from zoo.models import Seq2SeqLM
from zoo.tracking import Run

BASELINE = "none"  # highlighted in the figure


def compare(models: dict[str, Seq2SeqLM], columns: Columns, run: Run) -> dict[str, list]:
    """Translates the dev split with each model, and logs the figure `figures/study.png`.

    Each model translates it twice; the second time, when everything is compiled, is measured.

    Args:
        models: The translators.
        columns: Sources and targets.
        run: The summary run of the study.

    Returns:
        Columns of the table: BLEU and chrF, translated sentences per second, BLEU by the number
        of source words.
    """
    sources, references = columns["source"], columns["target"]
    words = [len(source.split()) for source in sources]
    predicted, seconds, language = {}, {}, None
    for _ in range(2):
        for name, model in models.items():
            language = model.languages and model.languages[1]
            start = time.perf_counter()
            predicted[name] = [answer.text for answer in model.infer(sources)]
            seconds[name] = time.perf_counter() - start
    run.log_tags({f"signature.{name}": text for name, text in signatures(language).items()})
    scores = {
        name: translation_scores(references, texts, language) for name, texts in predicted.items()
    }
    by_length = {
        name: bleu_by_length(references, texts, words, language=language)
        for name, texts in predicted.items()
    }
    parameters = {name: model.count_params() for name, model in models.items()}
    speed = {name: len(sources) / spent for name, spent in seconds.items()}
    bleu = {name: score["bleu"] for name, score in scores.items()}
    run.log_figure(draw(bleu, by_length, parameters, speed), "figures/study.png")
    table = {
        name: [round(score[name], 1) for score in scores.values()]
        for name in ("bleu", "bleu_lc_tok", "chrf")
    }
    table["translated sentences/s"] = [round(rate) for rate in speed.values()]
    for i, (label, count, _) in enumerate(next(iter(by_length.values()))):
        table[f"bleu, {label} words ({count:,})"] = [
            round(buckets[i][2], 1) for buckets in by_length.values()
        ]
    return table


def draw(
    bleu: dict[str, float],
    by_length: dict[str, list[tuple[str, int, float]]],
    parameters: dict[str, int],
    speed: dict[str, float],
) -> Figure:
    """Draws BLEU of each model, with its size and speed, and BLEU by the number of source words.

    Args:
        bleu: BLEU of each model.
        by_length: Label, number of sentences and BLEU of each bucket, for each model.
        parameters: Number of weights of each model.
        speed: Sentences per second of each model.
    """
    names = sorted(bleu, key=bleu.__getitem__)
    palette = colormaps["viridis"].resampled(len(names) + 1)
    colors = {name: palette(i) for i, name in enumerate(names)} | {BASELINE: "#e07b12"}
    figure = Figure(figsize=(11, 0.4 * len(names) + 1.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    bars = left.barh(names, [bleu[name] for name in names], color=[colors[n] for n in names])
    labels = [
        f"{bleu[name]:.1f}   {parameters[name] / 1e6:.2f} M weights, {speed[name]:,.0f} sentences/s"
        for name in names
    ]
    left.bar_label(bars, labels, padding=4, fontsize=8)
    left.set(xlabel="BLEU", xlim=(0, 2.2 * max(*bleu.values(), 1)))
    for name in reversed(names):
        buckets = by_length[name]
        right.plot(
            [label for label, _, _ in buckets],
            [value for _, _, value in buckets],
            color=colors[name],
            label=name,
            marker="o",
            markersize=3,
            linewidth=2.5 if name == BASELINE else 1.2,
        )
    right.set(xlabel="words in the source", ylabel="BLEU", ylim=(0, None))
    right.legend(fontsize=7, frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
