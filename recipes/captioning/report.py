"""What a captioning run shows of itself: a page of samples, and where it looked."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.training.samples import worst_and_best

if TYPE_CHECKING:
    from zoo.data import Columns
    from zoo.models import ImageToText
    from zoo.tracking import Run

MAPS = 10


def report(model: "ImageToText", columns: "Columns", run: "Run", samples: int) -> None:
    """Keeps with the run a page and a table of captions by greedy search, and pictures of where it
    looked.

    Args:
        model: The trained captioner.
        columns: Pictures and captions that it was not trained on.
        run: The run.
        samples: How many pictures the page has: those with the worst and the best captions by
            CIDEr-D, in equal parts. With 0 there are neither samples nor maps.
    """
    from zoo.explain import Gallery
    from zoo.metrics import caption_score_each, caption_signatures

    pictures, references = columns["image"], columns["captions"]
    signatures = caption_signatures(references)
    run.log_tags({f"signature.{name}": text for name, text in signatures.items()})
    if not samples:
        return
    answers = model.infer(pictures, beam=1, length_penalty=0.0)  # as the maps are
    scores = caption_score_each(references, [answer.text for answer in answers])
    rows = worst_and_best(scores, samples)
    run.log_table(
        {
            "image": [pictures[row].name for row in rows],
            "written": [answers[row].text for row in rows],
            "references": [" / ".join(references[row]) for row in rows],
            "cider_d": [round(scores[row], 1) for row in rows],
            "score": [round(answers[row].score, 4) for row in rows],
        },
        "samples.json",
    )
    attends = model.backbone.attention != "none"
    page = Gallery("Best and worst captions of the dev split", score_name="CIDEr-D")
    for row in reversed(rows):
        page.add(
            pictures[row],
            answers[row].text,
            score=scores[row],
            references=references[row],
            explained=model.explain(pictures[row]) if attends else None,
            note=pictures[row].name,
        )
    with tempfile.TemporaryDirectory() as folder:
        run.log_file(page.save(Path(folder, "samples.html")))
    if not attends:
        return
    for number, picture in enumerate(pictures[:MAPS], 1):
        run.log_figure(model.explain(picture).figure(), f"attention/{number:02}.png")
