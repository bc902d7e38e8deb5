"""Reader of recordings; optionally writes an HTML page with players and transcripts."""

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from zoo.cli import lines, output
from zoo.cli.answers import CONTROLS, print_answer
from zoo.cli.errors import Failure
from zoo.cli.models import FoundModel
from zoo.cli.readers.texts import read_inputs
from zoo.explain import Recordings
from zoo.extras import need

if TYPE_CHECKING:
    import numpy as np

IN_MEMORY = 32  # recordings at a time
MAX_DRAWN = 50  # recordings of a page with their spectrogram


class AudioReader:
    """Paths of audio files. A file that cannot be read is reported, the others are answered."""

    def __init__(self, args: Namespace, model: FoundModel):
        self.args, self.task = args, model.task
        self.inputs, self.total = read_inputs(args)
        self.failed = 0
        self.page: Any = None  # `Recordings`
        if args.html:
            need("draw", "A page with spectrograms")
            self.page = Recordings(f"Transcripts by {args.model}", score_name="log-probability")

    def answer(self, inputs, model, infer) -> None:
        for paths in lines.chunks(inputs, min(self.args.batch_size, IN_MEMORY)):
            recordings, errors = _read(paths, model.preprocessor.sampling_rate)
            answers = dict(zip(recordings, infer(list(recordings.values())), strict=True))
            for i, path in enumerate(paths):
                if i in answers:
                    print_answer(self.task, path, answers[i].to_dict(), self.args.json)
                elif self.args.json:
                    output.print_json(
                        {self.task.input_name: path, "error": str(errors[i])}, lines=True
                    )
                if self.page is not None:
                    self._add(path, model, recordings.get(i), answers.get(i), errors.get(i))
            self.failed += len(errors)

    def finish(self) -> None:
        if self.page is not None:
            output.say(f"{self.page.save(self.args.html)}: {len(self.page):,} recordings")
        if self.failed:
            raise Failure(
                f"Recordings that could not be read, with the errors above: {self.failed:,}"
            )

    def _add(self, path: str, model: Any, recording, answer, error) -> None:
        if answer is None:
            self.page.add(None, "", error=error, note=path)
            return
        self.page.add(
            path,
            answer.text,
            words=[(word.text, word.start, word.end) for word in answer.words],
            score=answer.score,
            hypotheses=[hypothesis.text for hypothesis in answer.hypotheses[1:]],
            explained=model.explain(recording, answer.text) if len(self.page) < MAX_DRAWN else None,
            note=path,
        )


def _read(paths: list[str], rate: int) -> tuple[dict[int, "np.ndarray"], dict[int, Exception]]:
    """The recordings and the errors, each by index in `paths`."""
    from zoo.audio import AudioError, read_audio

    recordings: dict[int, np.ndarray] = {}
    errors: dict[int, Exception] = {}
    for i, path in enumerate(paths):
        try:
            recordings[i] = read_audio(path, rate)
        except (AudioError, OSError) as error:
            errors[i] = error
            output.say(CONTROLS.sub(" ", str(error)))
    return recordings, errors
