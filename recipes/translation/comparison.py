"""What a study of translators shows: quality, quality by length, speed."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.data import Columns
    from zoo.models import Seq2SeqLM
    from zoo.tracking import Run

BASELINE = "none"  # drawn apart: what all are measured against


def compare(models: "dict[str, Seq2SeqLM]", columns: "Columns", run: "Run") -> dict[str, list]:
    """Translates the dev split with each model, twice: then all is compiled, and time is taken.

    Args:
        models: The translators.
        columns: Sources and targets.
        run: Gets the picture `figures/study.png`.

    Returns:
        Columns of the table: BLEU and chrF, sentences translated a second, BLEU by words of the
        source.
    """
    from zoo.metrics import bleu_by_length, signatures, translation_scores

    sources, references = columns["source"], columns["target"]
    words = [len(source.split()) for source in sources]
    written, seconds, language = {}, {}, None
    for _ in range(2):
        for name, model in models.items():
            language = model.languages and model.languages[1]
            began = time.perf_counter()
            written[name] = [answer.text for answer in model.infer(sources)]
            seconds[name] = time.perf_counter() - began
    run.log_tags({f"signature.{name}": text for name, text in signatures(language).items()})
    scores = {
        name: translation_scores(references, texts, language) for name, texts in written.items()
    }
    by_length = {
        name: bleu_by_length(references, texts, words, language=language)
        for name, texts in written.items()
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
    for place, (label, count, _) in enumerate(next(iter(by_length.values()))):
        table[f"bleu, {label} words ({count:,})"] = [
            round(buckets[place][2], 1) for buckets in by_length.values()
        ]
    return table


def draw(
    bleu: dict[str, float],
    by_length: dict[str, list[tuple[str, int, float]]],
    parameters: dict[str, int],
    speed: dict[str, float],
) -> "Figure":
    """BLEU of each, with its size and speed; and by words in the source, a line for each."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    names = sorted(bleu, key=bleu.__getitem__)
    palette = colormaps["viridis"].resampled(len(names) + 1)
    colours = {name: palette(i) for i, name in enumerate(names)} | {BASELINE: "#e07b12"}
    figure = Figure(figsize=(11, 0.4 * len(names) + 1.6), layout="constrained")
    bars, lines = figure.subplots(1, 2, width_ratios=[1.2, 1])
    drawn = bars.barh(names, [bleu[name] for name in names], color=[colours[n] for n in names])
    labels = [
        f"{bleu[name]:.1f}   {parameters[name] / 1e6:.2f} M weights, {speed[name]:,.0f} sentences/s"
        for name in names
    ]
    bars.bar_label(drawn, labels, padding=4, fontsize=8)
    bars.set(xlabel="BLEU", xlim=(0, 2.2 * max(*bleu.values(), 1)))
    for name in reversed(names):
        buckets = by_length[name]
        lines.plot(
            [label for label, _, _ in buckets],
            [value for _, _, value in buckets],
            color=colours[name],
            label=name,
            marker="o",
            markersize=3,
            linewidth=2.5 if name == BASELINE else 1.2,
        )
    lines.set(xlabel="words in the source", ylabel="BLEU", ylim=(0, None))
    lines.legend(fontsize=7, frameon=False)
    for axes in (bars, lines):
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure
