"""Reader of image files; optionally writes an HTML page of the images with their captions."""

from argparse import Namespace
from typing import TYPE_CHECKING

from zoo.cli import lines, output
from zoo.cli.answers import CONTROLS, print_answer
from zoo.cli.errors import Failure
from zoo.cli.models import FoundModel
from zoo.cli.readers.texts import read_inputs
from zoo.explain import Gallery

if TYPE_CHECKING:
    import numpy as np


class ImageReader:
    """Paths of image files. A file that cannot be read is reported, and the others are answered."""

    def __init__(self, args: Namespace, model: FoundModel):
        self.args, self.task = args, model.task
        self.inputs, self.total = read_inputs(args)
        self.failed = 0
        self.page = None
        if args.html:
            self.page = Gallery(f"Captions by {args.model}", score_name="log-probability")

    def answer(self, inputs, model, infer) -> None:
        for paths in lines.chunks(inputs, self.args.batch_size):
            images, errors = _read(paths, model.preprocessor.size)
            answers = dict(zip(images, infer(list(images.values())), strict=True))
            for i, path in enumerate(paths):
                if i in answers:
                    print_answer(self.task, path, answers[i].to_dict(), self.args.json)
                elif self.args.json:
                    output.print_json(
                        {self.task.input_name: path, "error": str(errors[i])}, lines=True
                    )
                if self.page is not None:
                    _add_entry(self.page, path, answers.get(i), errors.get(i))
            self.failed += len(errors)

    def finish(self) -> None:
        if self.page is not None:
            output.say(f"{self.page.save(self.args.html)}: {len(self.page):,} images")
        if self.failed:
            raise Failure(f"Images that could not be read, with the errors above: {self.failed:,}")


def _read(paths: list[str], size) -> tuple[dict[int, "np.ndarray"], dict[int, Exception]]:
    """The images and the errors, each by index in `paths`."""
    from zoo.images import ImageError, read_image

    images: dict[int, np.ndarray] = {}
    errors: dict[int, Exception] = {}
    for i, path in enumerate(paths):
        try:
            images[i] = read_image(path, size)
        except (ImageError, OSError) as error:
            errors[i] = error
            output.say(CONTROLS.sub(" ", str(error)))
    return images, errors


def _add_entry(page: Gallery, path: str, answer, error) -> None:
    if answer is None:
        page.add(None, "", error=error, note=path)
        return
    others = [hypothesis.text for hypothesis in answer.hypotheses[1:]]
    page.add(path, answer.text, score=answer.score, hypotheses=others, note=path)
