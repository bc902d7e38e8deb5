"""Report of a speech run: error rates by speaker, confusions, samples with players, alignments."""

import numpy as np
from matplotlib.figure import Figure

from zoo.audio import wav_bytes
from zoo.data import Columns
from zoo.data.fsdd import DIGITS
from zoo.explain import Recordings
from zoo.explain.fonts import name_ticks
from zoo.metrics import per_speaker_table, word_confusion, word_error_counts
from zoo.models import SpeechToText
from zoo.processes import temporary_folder
from zoo.tracking import Run
from zoo.training.samples import log_explanations

NUM_FIGURES = 10
MAX_WORDS = 40  # different words, of data whose confusions are drawn


def report(model: SpeechToText, columns: Columns, run: Run, samples: int) -> None:
    """Logs error rates by speaker, a confusion matrix, recordings with players, and alignments.

    Args:
        model: The trained recogniser.
        columns: Recordings and transcripts it was not trained on.
        run: The run.
        samples: Number of recordings on the page and in the table: those with the most wrong words
            first. With 0, neither samples nor alignments are logged.
    """
    audio, references, speakers = columns["audio"], columns["text"], columns["speaker"]
    answers = model.infer(audio)
    predicted = [answer.text for answer in answers]
    if any(speakers):
        table = per_speaker_table(references, predicted, speakers)
        run.log_table({name: [row[name] for row in table] for name in table[0]}, "speakers.json")
    words = {word for text in references for word in text.split()}
    if 1 < len(words) <= MAX_WORDS:
        order = [word for word in DIGITS if word in words] + sorted(words - set(DIGITS))
        figure = draw_confusion(*word_confusion(references, predicted, order))
        run.log_figure(figure, "figures/confusion.png")
    if not samples:
        return
    wrong = word_error_counts(references, predicted)
    rows = sorted(range(len(wrong)), key=lambda row: -wrong[row])[:samples]
    run.log_table(
        {
            "recording": [audio[row].name for row in rows],
            "predicted": [predicted[row] for row in rows],
            "transcript": [references[row] for row in rows],
            "wrong_words": [wrong[row] for row in rows],
            "speaker": [speakers[row] for row in rows],
            "score": [round(answers[row].score, 4) for row in rows],
        },
        "samples.json",
    )
    page = Recordings("Recordings of the dev split, most mistakes first", score_name="wrong words")
    with temporary_folder() as folder:
        for number, row in enumerate(rows):
            is_drawn = number < NUM_FIGURES
            page.add(
                audio[row],
                predicted[row],
                words=[(word.text, word.start, word.end) for word in answers[row].words],
                score=wrong[row],
                references=[references[row]],
                note=" · ".join(filter(None, (audio[row].name, speakers[row]))),
                explained=model.explain(audio[row], predicted[row]) if is_drawn else None,
            )
            if is_drawn:
                (samples_of,) = model.preprocessor.read([audio[row]])
                file = folder / f"{number + 1:02}.wav"
                file.write_bytes(wav_bytes(samples_of, model.preprocessor.sampling_rate))
                run.log_file(file, "audio")
        run.log_file(page.save(folder / "samples.html"))
    log_explanations(run, model, [audio[row] for row in rows[:NUM_FIGURES]])


def draw_confusion(words: list[str], matrix: np.ndarray) -> Figure:
    """Draws which words were taken for which: a row for each word, a column for each answer.

    Mistakes are shaded by their share of the row; the diagonal is not.

    Args:
        words: The words; the last stands for none.
        matrix: Counts, `[words, words]`.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    mistakes = np.where(np.eye(len(words), dtype=bool), 0, shares)
    size = 1.8 + 0.4 * len(words)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    darkest = max(float(mistakes.max()), 0.05)
    axes.imshow(mistakes, cmap="Reds", vmin=0, vmax=darkest)
    name_ticks(axes, words, rotation=45)
    axes.set(xlabel="recognised (∅: left out)", ylabel="said (∅: nothing)")
    for row, column in zip(*np.nonzero(matrix), strict=True):
        count = f"{matrix[row, column]:,}"
        color = "white" if mistakes[row, column] > 0.6 * darkest else "black"
        axes.text(column, row, count, ha="center", va="center", fontsize=9, color=color)
    return figure
