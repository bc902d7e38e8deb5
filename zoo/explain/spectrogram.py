"""The spectrogram of a recording, with what was recognised and when."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.explain.drawable import Drawable

if TYPE_CHECKING:
    import numpy as np

MAX_TOKENS = 80  # that are drawn
SPAN_NOTE = "A bar is where a letter is in the likeliest alignment of the text (CTC)."
WEIGHT_NOTE = (
    "Attention of each letter; the states of the encoder that it weighs know what is around them."
)


@dataclass(eq=False)
class Spectrogram(Drawable):
    """The log-mel spectrogram of a recording, with an alignment of its transcript.

    Notebooks display it, and `save` writes it to a file: the spectrogram with the recognised words
    above it, and below it, on the same axis of seconds, a row for each token with the frames that
    it is aligned with, or its attention. Of more than 80 tokens the first 80 are drawn, with a
    note.

    Args:
        features: Logarithms of the energies of the mel bands in nats, `[frames, mels]`.
        frame_seconds: float. Seconds from a frame to the next.
        frequencies: The centre of each mel band in hertz, ascending, `[mels]`.
        tokens: The tokens of the transcript, such as letters.
        spans: The frames `(start, end)` of each token, the end excluded. Defaults to `None`.
        weights: The attention of each token over the states of the encoder, `[tokens, states]`.
            Defaults to `None`.
        weight_seconds: float. Seconds from a state to the next. Defaults to `None`.
        text: The transcript. Defaults to `""`.
        words: Its words with start and end in seconds: a list of `(word, start, end)`.

    Raises:
        ValueError: if the shapes do not fit, or a number is not finite.
    """

    features: "np.ndarray" = field(repr=False)
    frame_seconds: float
    frequencies: "np.ndarray" = field(repr=False)
    tokens: list[str]
    spans: list[tuple[int, int]] | None = None
    weights: "np.ndarray | None" = field(default=None, repr=False)
    weight_seconds: float | None = None
    text: str = ""
    words: list[tuple[str, float, float]] = field(default_factory=list)

    def __post_init__(self):
        import numpy as np  # here, so that importing zoo.explain stays light

        self.features = np.asarray(self.features, "float32")
        self.frequencies = np.asarray(self.frequencies, "float32")
        shape = (len(self.features), len(self.frequencies))
        if self.features.shape != shape or not self.features.size:
            raise ValueError(
                "Features must be [frames, mels], with a frequency for each mel band. Received: "
                f"features of shape {self.features.shape}, {shape[1]} frequencies"
            )
        if self.spans is not None and len(self.spans) != len(self.tokens):
            raise ValueError(
                "Each token needs one span. "
                f"Received: {len(self.tokens)} tokens, {len(self.spans)} spans"
            )
        if self.weights is not None:
            self.weights = np.asarray(self.weights, "float32").reshape(
                len(self.weights), -1 if len(self.weights) else 0
            )
            if len(self.weights) != len(self.tokens) or not self.weight_seconds:
                raise ValueError(
                    "Weights must be [tokens, states], with weight_seconds for the states. "
                    f"Received: {len(self.tokens)} tokens, {len(self.weights)} rows of weights, "
                    f"weight_seconds={self.weight_seconds}"
                )
        for name in ("features", "frequencies", "weights"):
            values = getattr(self, name)
            if values is not None and not np.isfinite(values).all():
                raise ValueError(
                    f"{name.title()} must be finite numbers. Received: NaN or infinity"
                )

    @property
    def seconds(self) -> float:
        """The length of the recording."""
        return len(self.features) * self.frame_seconds

    @property
    def notes(self) -> list[str]:
        """Sentences that explain the drawing."""
        notes = [SPAN_NOTE] if self.spans else []
        if self.weights is not None and len(self.weights):
            notes.append(WEIGHT_NOTE)
        if len(self.tokens) > MAX_TOKENS:
            notes.append(f"Drawn: the first {MAX_TOKENS} tokens of {len(self.tokens):,}.")
        return notes

    def _figure(self):
        from zoo.explain.sound_map import draw  # imports matplotlib

        return draw(self)

    def to_html(self) -> str:
        """The drawing and a table of the words, as an HTML page without external resources."""
        from zoo.explain.html.spectrogram import page

        return page(self)

    def to_dict(self) -> dict:
        """The fields but the features as plain values, for JSON; spans in seconds."""
        fields: dict = {
            "text": self.text,
            "words": [
                {"text": word, "start": round(start, 4), "end": round(end, 4)}
                for word, start, end in self.words
            ],
            "tokens": self.tokens,
        }
        if self.spans is not None:
            fields["spans"] = [
                [round(frame * self.frame_seconds, 4) for frame in span] for span in self.spans
            ]
        if self.weights is not None:
            fields |= {"weights": self.weights.tolist(), "weight_seconds": self.weight_seconds}
        return fields
