"""Fonts for text in any script, without changes to matplotlib's settings.

Korean (and most Japanese and Chinese) is drawn with NanumGothic from the package
`koreanize-matplotlib`. Importing that package would change the settings of the whole process, so
only its font file is used.
"""

import dataclasses
import functools
import importlib.util
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PREFERRED = ("NanumGothic", "DejaVu Sans")
# Categories of joiners, modifiers and controls, which have no glyph of their own.
_SILENT = ("Cf", "Mn", "Me", "Sk", "Cc")


def families(text: str) -> list[str]:
    """The font families that have the characters of a text.

    For matplotlib's argument `family`: it takes each character from the first family that has it.

    Args:
        text: The text.

    Returns:
        The preferred families, then those of the machine for characters that these lack.
    """
    found = [family for family in PREFERRED if _characters(family)]
    for character in sorted(set(text)):
        family = _family_of(character)
        if family and family not in found:
            found.append(family)
    return found


def name_ticks(axes: "Axes", names: Sequence[str], **style: Any) -> None:
    """Names the rows and columns of a square matrix, in fonts that have the characters.

    Args:
        axes: The axes of matplotlib.
        names: A name for each row, and for the same column.
        **style: Properties of the names of columns, such as `rotation`, and `fontsize` of both.
    """
    shown = [drawable(name) for name in names]
    family = families("".join(shown))
    axes.set_xticks(range(len(shown)), shown, family=family, ha="right", **style)
    size = {name: style[name] for name in style if name == "fontsize"}
    axes.set_yticks(range(len(shown)), shown, family=family, **size)


def drawable(text: str) -> str:
    """Replaces the characters that no font has, which would be drawn as empty boxes.

    A symbol is replaced by its Unicode name (`:fire:`), another character by its number
    (`U+1F1F0`). Joiners, variation selectors and controls are removed.

    Args:
        text: The text.

    Returns:
        A text that can be drawn.
    """
    return "".join(_drawable_character(character) for character in text)


def _drawable_character(character):
    category = unicodedata.category(character)
    if _family_of(character) and category not in ("Cf", "Cc"):
        return character
    if category in _SILENT or 0xFE00 <= ord(character) <= 0xFE0F:
        return ""
    name = unicodedata.name(character, "")
    if category == "So" and name:
        return f":{name.lower().replace(' ', '_')}:"
    return f"U+{ord(character):04X}"


@functools.cache
def _family_of(character):
    """The first family that has a character, preferred ones first; `None` if none has it."""
    for family in (*PREFERRED, *_others()):
        if ord(character) in _characters(family):
            return family
    return None


@functools.cache
def _others():
    """Other families of the machine that have outlines of letters.

    Left out are those with placeholder boxes, bitmaps, or symbols at the code points of letters.
    """
    strange = ("Last Resort", ".", "cm", "STIX")
    return sorted(
        entry.name
        for entry in _regular_faces().values()
        if entry.name not in PREFERRED
        and not entry.name.startswith(strange)
        and "Color" not in entry.name
    )


@functools.cache
def _regular_faces():
    """The upright font of normal weight of each family that has one."""
    _register_korean()
    return {
        entry.name: entry
        for entry in fontManager.ttflist
        if entry.style == "normal" and entry.weight in (400, "normal", "regular", "book")
    }


@functools.cache
def _characters(family):
    """The code points that a family has glyphs for; none if its file cannot be read."""
    face = _regular_faces().get(family)
    try:
        return frozenset(FT2Font(face.fname).get_charmap() if face else ())
    except (RuntimeError, OSError):
        return frozenset()


def _register_korean():
    """Registers NanumGothic with matplotlib, unless it is registered already."""
    package = importlib.util.find_spec("koreanize_matplotlib")
    if package is None or package.origin is None:
        return
    known = {Path(entry.fname).name for entry in fontManager.ttflist}
    for name, weight in (("NanumGothic.ttf", 400), ("NanumGothicBold.ttf", 700)):
        path = Path(package.origin).parent / "fonts" / name
        if path.is_file() and name not in known:
            fontManager.addfont(path)
            # The bold font declares itself semi-bold, of which matplotlib would warn each time.
            fontManager.ttflist[-1] = dataclasses.replace(fontManager.ttflist[-1], weight=weight)
