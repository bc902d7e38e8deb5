"""HTML pages of entries, such as images with their captions."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.files import atomic_write
from zoo.images import read_image

if TYPE_CHECKING:
    from zoo.explain.caption_map import CaptionMap

THUMBNAIL, PANEL = 400, 120  # longer sides, in pixels
IN_MEMORY = 8 * 2**20  # bytes of entries; more are kept in a temporary file

HEAD = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --paper: #f4f5f8; --card: #fff; --ink: #1d2330;
        --faint: #6b7284; --line: #e1e4eb; --mark: #fdebc8; --marked: #7a4300; --wrong: #b3261e; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #14161b; --card: #1f222a; --ink: #e7e9ee; --faint: #9aa1b2;
          --line: #323744; --mark: #4a3615; --marked: #fdcf86; --wrong: #ff8a80; }}
}}
* {{ box-sizing: border-box; }}
body {{ font: 15px/1.45 system-ui, "Noto Sans", "NanumGothic", sans-serif; color: var(--ink);
       background: var(--paper); max-width: 90em; margin: 0 auto; padding: 1.5em; }}
h1 {{ font-size: 1.5em; margin: 0; }} header p {{ margin: .2em 0 1.3em; color: var(--faint); }}
main {{ display: grid; gap: 1.1em;
       grid-template-columns: repeat(auto-fill, minmax(min(17em, 100%), 1fr)); }}
article {{ background: var(--card); border: 1px solid var(--line); border-radius: 10px;
          overflow: hidden; content-visibility: auto; contain-intrinsic-size: auto 22em; }}
article > img {{ display: block; width: 100%; max-height: 24em; object-fit: contain; }}
.text {{ padding: .8em 1em .9em; overflow-wrap: anywhere; }}
.text > :first-child {{ margin-top: 0; }} .text > :last-child {{ margin-bottom: 0; }}
.caption {{ font-size: 1.08em; font-weight: 600; margin: .3em 0; }}
.note, details {{ font-size: .87em; color: var(--faint); margin: .5em 0; }}
.score {{ font-size: .8em; background: var(--mark); color: var(--marked); border-radius: 1em;
         padding: .12em .65em; white-space: nowrap; }}
.wrong {{ color: var(--wrong); margin: 0; }}
ul, ol {{ padding-left: 1.4em; margin: .2em 0; }} li {{ margin: .15em 0; }}
summary {{ cursor: pointer; }} summary:hover {{ color: var(--ink); }}
.panels {{ display: grid; gap: .5em; margin-top: .5em;
          grid-template-columns: repeat(auto-fill, minmax(5em, 1fr)); }}
figure {{ margin: 0; }} figure small {{ display: none; }}
figure img {{ display: block; width: 100%; border-radius: 4px; }}
</style>
{style}<header><h1>{title}</h1><p>{count}</p></header>
<main>
"""
TAIL = "</main>\n</html>\n"


class Page:
    """Base class of HTML pages of entries, in one file without external resources.

    Entries are kept in a temporary file, so that memory does not grow with their number.

    Args:
        title: str. The title of the page.
        score_name: str. The name of the scores. Defaults to `"score"`.
        language: str. The two-letter code of the language of the texts, for screen readers.
            Defaults to `"en"`.
    """

    entry = "entry"  # a noun, of which the page counts the plural
    style = ""  # HTML in front of the page

    def __init__(self, title: str, *, score_name: str = "score", language: str = "en"):
        self.title, self.score_name, self.language = title, score_name, language
        self._count = 0
        self._entries = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 (open until `save`)

    def __len__(self) -> int:
        return self._count

    def append(self, top: str, parts: Iterable[str]) -> None:
        """Appends an entry, given as HTML.

        Args:
            top: What is above the text, from one edge to the other.
            parts: The parts of the text.
        """
        body = "\n".join(parts)
        entry = f'<article>{top}\n<div class="text">\n{body}\n</div></article>\n'
        self._entries.seek(0, os.SEEK_END)
        self._entries.write(_bytes(entry))
        self._count += 1

    def heading(self, text: str, score: float | None, error: object) -> list[str]:
        """The score and the text of an entry, or its error, as HTML."""
        parts = []
        if score is not None:
            parts.append(f'<span class="score">{escape(self.score_name)} {_short(score)}</span>')
        if error is not None:
            parts.append(f'<p class="wrong">{escape(str(error))}</p>')
        else:
            parts.append(f'<p class="caption">{escape(text) or "(no text)"}</p>')
        return parts

    def save(self, path: str | Path) -> Path:
        """Writes the page. Entries can be added afterwards and the page saved again.

        Args:
            path: The file, which is replaced atomically. Missing folders are created.

        Returns:
            The path.
        """
        count = f"{self._count:,} {self.entry}{'' if self._count == 1 else 's'}"
        title, language = escape(self.title), escape(self.language)
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            file.write(
                _bytes(HEAD.format(title=title, language=language, count=count, style=self.style))
            )
            self._entries.seek(0)
            shutil.copyfileobj(self._entries, file)
            file.write(_bytes(TAIL))
        return Path(path)


class Gallery(Page):
    """An HTML page of images with their captions, in one file without external resources.

    Images are embedded as thumbnails. Entries are kept in a temporary file, so that memory does
    not grow with their number. All text is escaped.

    Args:
        title: str. The title of the page.
        score_name: str. The name of the scores. Defaults to `"score"`.
        language: str. The two-letter code of the captions' language, for screen readers.
            Defaults to `"en"`.

    Example:

    >>> page = Gallery("Holidays")
    >>> page.add("beach.jpg", "a dog runs along the beach", score=-0.4, note="beach.jpg")
    >>> page.save("page.html")
    """

    entry = "picture"

    def add(
        self,
        image: Any,
        text: str,
        *,
        score: float | None = None,
        hypotheses: Iterable[str] = (),
        references: Iterable[str] = (),
        explained: "CaptionMap | None" = None,
        note: str = "",
        error: object = None,
    ) -> None:
        """Appends an image with its caption.

        Args:
            image: The path of a file, an array of `uint8`, `[height, width, 3]`, or anything
                else that `zoo.images.read_image` takes; `None` for an entry without an image.
            text: The caption.
            score: float. The score of the caption. Defaults to `None`.
            hypotheses: Other captions of the beam, best first.
            references: The reference captions.
            explained: The attention of the caption, in a section that unfolds. Defaults to `None`.
            note: str. A note, such as the name of the file.
            error: An exception or a text, shown in place of the caption. Defaults to `None`.

        Raises:
            TypeError: if `hypotheses` or `references` is a string. Also what
                `zoo.images.read_image` raises.
        """
        check_lists(hypotheses=hypotheses, references=references)
        parts = self.heading(text, score, error)
        if items := html_items(references):
            parts.append(f"<details open><summary>References</summary><ul>{items}</ul></details>")
        if note:
            parts.append(f'<p class="note">{escape(note)}</p>')
        if items := html_items(hypotheses):
            parts.append(f"<details><summary>Other captions</summary><ol>{items}</ol></details>")
        if explained is not None:
            parts.append(_unfolding(explained))
        self.append("" if image is None else _thumbnail(image, text), parts)


def check_lists(**lists: object) -> None:
    """Raises a `TypeError` if one of the lists of texts is a string."""
    for name, texts in lists.items():
        if isinstance(texts, str):
            raise TypeError(f"Give a list of texts, not a string. Received: {name}={texts!r}")


def _thumbnail(image, text):
    from zoo.explain.pixels import data_uri, sized  # imports NumPy and Pillow

    image = read_image(image)
    side = min(THUMBNAIL, max(image.shape[:2]))
    return f'<img src="{data_uri(sized(image, side))}" alt="{escape(text)}">'


def _unfolding(explained):
    from zoo.explain.html.panels import word_figures  # imports NumPy and Pillow

    figures = word_figures(explained.image, explained.panels, PANEL)
    notes = " ".join(explained.notes)
    return (
        "<details><summary>Where it looked</summary>"
        f'<div class="panels">\n{figures}\n</div><p>{escape(notes)}</p></details>'
    )


def html_items(texts: Iterable[str]) -> str:
    """The items of an HTML list."""
    return "".join(f"<li>{escape(text)}</li>" for text in texts)


def _short(score):
    return f"{score:.2f}" if abs(score) < 10 else f"{score:,.1f}"


def _bytes(text):
    """Encodes a text in UTF-8; undecodable bytes of a file's name become question marks."""
    return text.encode(errors="replace")
