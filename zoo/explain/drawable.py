"""What every picture can do: be saved, and be shown by a notebook."""

import io
from pathlib import Path

FORMATS = (".png", ".svg", ".pdf", ".html")


class Drawable:
    """Something with a `figure()` and a `to_html()`."""

    def save(self, path: str | Path) -> Path:
        """Draws the picture into a file.

        Args:
            path: Where; its suffix tells the format: `.png`, `.svg`, `.pdf` or `.html`. Missing
                folders are made.

        Returns:
            The path.

        Raises:
            ValueError: if the suffix is another.
        """
        from zoo.files import atomic_write

        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in FORMATS:
            raise ValueError(
                f"The picture's file must end in one of {', '.join(FORMATS)}. Received: path={path}"
            )
        content = self.to_html().encode() if suffix == ".html" else self._drawn(suffix[1:])
        with atomic_write(path) as beside:
            beside.write_bytes(content)
        return path

    def figure(self):
        """The picture as a `matplotlib.figure.Figure`."""
        raise NotImplementedError

    def to_html(self) -> str:
        """The picture as a page that needs nothing else."""
        raise NotImplementedError

    def _drawn(self, format):
        from zoo.explain.drawing import save

        buffer = io.BytesIO()
        save(self.figure(), buffer, format)
        return buffer.getvalue()

    def _repr_png_(self):
        return self._drawn("png")


def listed(values):
    """Lists out of arrays of any kind; anything else stays."""
    return values.tolist() if hasattr(values, "tolist") else values
