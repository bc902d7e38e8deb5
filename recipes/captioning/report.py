"""Report of a captioning run: a page and a table of samples, and explanations."""

from zoo.data import Columns
from zoo.explain import Gallery
from zoo.metrics import caption_score_each, caption_signatures
from zoo.models import ImageToText
from zoo.processes import temporary_folder
from zoo.tracking import Run
from zoo.training.samples import log_explanations, worst_and_best

NUM_MAPS = 10


def report(model: ImageToText, columns: Columns, run: Run, samples: int) -> None:
    """Logs a page and a table of captions, and their explanations.

    Args:
        model: The trained captioner.
        columns: Images and captions it was not trained on.
        run: The run.
        samples: Number of images on the page: those with the worst and the best captions by
            CIDEr-D, in equal parts. With 0, neither samples nor explanations are logged.
    """
    images, references = columns["image"], columns["captions"]
    signatures = caption_signatures(references)
    run.log_tags({f"signature.{name}": text for name, text in signatures.items()})
    if not samples:
        return
    answers = model.infer(images)
    scores = caption_score_each(references, [answer.text for answer in answers])
    rows = worst_and_best(scores, samples)
    run.log_table(
        {
            "image": [images[row].name for row in rows],
            "predicted": [answers[row].text for row in rows],
            "references": [" / ".join(references[row]) for row in rows],
            "cider_d": [round(scores[row], 1) for row in rows],
            "score": [round(answers[row].score, 4) for row in rows],
        },
        "samples.json",
    )
    method = "attention" if model.backbone.attention != "none" else "occlusion"
    page = Gallery("Best and worst captions of the dev split", score_name="CIDEr-D")
    for row in reversed(rows):
        page.add(
            images[row],
            answers[row].text,
            score=scores[row],
            references=references[row],
            explained=model.explain(images[row], method),
            note=images[row].name,
        )
    with temporary_folder() as folder:
        run.log_file(page.save(folder / "samples.html"))
    log_explanations(run, model, images[:NUM_MAPS])
