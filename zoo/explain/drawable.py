"""Base class of explanations: saved to files, displayed in notebooks."""

import io
from pathlib import Path

from zoo.extras import need
from zoo.files import atomic_write

FORMATS = (".png", ".svg", ".pdf", ".html")


class Drawable:
    """Base class of explanations; a subclass implements `_figure` and `to_html`."""

    def save(self, path: str | Path) -> Path:
        """Writes the figure or the page to a file.

        Args:
            path: The file. Its suffix chooses the format: `.png`, `.svg`, `.pdf` or `.html`.
                Missing folders are created.

        Returns:
            The path.

        Raises:
            ValueError: if the suffix is none of these.
            MissingExtra: if it is an image, and matplotlib is not installed.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in FORMATS:
            raise ValueError(
                f"The suffix must be one of {', '.join(FORMATS)}. Received: path={path}"
            )
        content = self.to_html().encode() if suffix == ".html" else self._drawn(suffix[1:])
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
        return path

    @property
    def summary(self) -> list[str]:
        """Sentences on what changes the answer, such as `Without “not” the answer is positive.`."""
        return []

    def figure(self):
        """The drawing, as a `matplotlib.figure.Figure`.

        Raises:
            MissingExtra: if matplotlib is not installed.
        """
        need("draw", "Drawing")
        return self._figure()

    def to_html(self) -> str:
        """The page, as HTML without external resources."""
        raise NotImplementedError

    def _figure(self):
        """Implements `figure`, with matplotlib."""
        raise NotImplementedError

    def _drawn(self, format):
        figure = self.figure()
        from zoo.explain.drawing import save  # imports matplotlib

        buffer = io.BytesIO()
        save(figure, buffer, format)
        return buffer.getvalue()

    def _repr_png_(self):
        return self._drawn("png")


def listed(values):
    """Converts an array of any library to lists; returns other values unchanged."""
    return values.tolist() if hasattr(values, "tolist") else values
