"""Comparison of the translators of a study: scores, scores by length, speed."""

import time

from matplotlib import colormaps
from matplotlib.figure import Figure

from zoo.data import Columns
from zoo.metrics import (
    bleu_by_length,
    pronunciation_scores,
    score_pronunciations,
    signatures,
    translation_scores,
    word_error_rate_by_length,
)
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
        of source words; of pronunciations, error rates in place of BLEU and chrF.
    """
    sources, references = columns["source"], columns["target"]
    words = [len(source.split()) for source in sources]
    predicted, seconds, language = {}, {}, None
    writes_symbols = all(model.writes_symbols for model in models.values())
    for _ in range(2):
        for name, model in models.items():
            language = model.languages and model.languages[1]
            start = time.perf_counter()
            predicted[name] = [answer.text for answer in model.infer(sources)]
            seconds[name] = time.perf_counter() - start
    if writes_symbols:
        axes = {"score": "word error rate, %", "length": "letters in the word"}
        headline, names, unit = "word_error_rate", ("phone_error_rate",), "letters"
        scores = {
            name: pronunciation_scores(sources, references, texts)
            for name, texts in predicted.items()
        }
        by_length = {
            name: word_error_rate_by_length(score_pronunciations(sources, references, texts))
            for name, texts in predicted.items()
        }
    else:
        axes = {"score": "BLEU", "length": "words in the source"}
        headline, names, unit = "bleu", ("bleu_lc_tok", "chrf"), "words"
        run.log_tags({f"signature.{name}": text for name, text in signatures(language).items()})
        scores = {
            name: translation_scores(references, texts, language)
            for name, texts in predicted.items()
        }
        by_length = {
            name: bleu_by_length(references, texts, words, language=language)
            for name, texts in predicted.items()
        }
    parameters = {name: model.count_params() for name, model in models.items()}
    speed = {name: len(sources) / spent for name, spent in seconds.items()}
    best = {name: score[headline] for name, score in scores.items()}
    run.log_figure(draw(best, by_length, parameters, speed, **axes), "figures/study.png")
    table = {
        name: [round(score[name], 1) for score in scores.values()] for name in (headline, *names)
    }
    table["translated sentences/s"] = [round(rate) for rate in speed.values()]
    for i, (label, count, _) in enumerate(next(iter(by_length.values()))):
        table[f"{headline}, {label} {unit} ({count:,})"] = [
            round(buckets[i][2], 1) for buckets in by_length.values()
        ]
    return table


def draw(
    scores: dict[str, float],
    by_length: dict[str, list[tuple[str, int, float]]],
    parameters: dict[str, int],
    speed: dict[str, float],
    score: str = "BLEU",
    length: str = "words in the source",
) -> Figure:
    """Draws the score of each model, with its size and speed, and its scores by length.

    Args:
        scores: The score of each model.
        by_length: Label, number of rows and score of each bucket, for each model.
        parameters: Number of weights of each model.
        speed: Rows per second of each model.
        score: What the scores are.
        length: What the lengths count.
    """
    names = sorted(scores, key=scores.__getitem__)
    palette = colormaps["viridis"].resampled(len(names) + 1)
    colors = {name: palette(i) for i, name in enumerate(names)} | {BASELINE: "#e07b12"}
    figure = Figure(figsize=(11, 0.4 * len(names) + 1.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    bars = left.barh(names, [scores[name] for name in names], color=[colors[n] for n in names])
    labels = [
        f"{scores[name]:.1f}   {parameters[name] / 1e6:.2f} M weights, {speed[name]:,.0f} rows/s"
        for name in names
    ]
    left.bar_label(bars, labels, padding=4, fontsize=8)
    left.set(xlabel=score, xlim=(0, 2.2 * max(*scores.values(), 1)))
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
    right.set(xlabel=length, ylabel=score, ylim=(0, None))
    right.legend(fontsize=7, frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
