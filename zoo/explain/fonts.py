"""Fonts for text in any script, without touching matplotlib's settings.

Korean (and most Japanese and Chinese) is drawn with NanumGothic, which the package
`koreanize-matplotlib` brings along. Importing that package would change the settings of the
whole process, so its file is found without.
"""

import dataclasses
import functools
import importlib.util
import unicodedata
from pathlib import Path

from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font

PREFERRED = ("NanumGothic", "DejaVu Sans")
# Joins and variants of the character before: nothing of their own to show.
_SILENT = ("Cf", "Mn", "Me", "Sk", "Cc")


def families(text: str) -> list[str]:
    """The font families to draw a text with, best first.

    Give them to matplotlib as `family=…`: it takes each character from the first that has it.

    Args:
        text: The text.

    Returns:
        The families: the preferred ones, and those found on the machine for characters that
        the preferred ones lack.
    """
    found = [family for family in PREFERRED if _characters(family)]
    for character in sorted(set(text)):
        family = _family_of(character)
        if family and family not in found:
            found.append(family)
    return found


def drawable(text: str) -> str:
    """The text with what no font has written out, so that no empty box is drawn.

    A symbol becomes its Unicode name (`:fire:`), another character its number (`U+1F1F0`).
    Joiners and variants that no font has are left out.

    Args:
        text: The text.

    Returns:
        The text that can be drawn.
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
    """The first family that has the character, the preferred ones first; or `None`."""
    for family in (*PREFERRED, *_others()):
        if ord(character) in _characters(family):
            return family
    return None


@functools.cache
def _others():
    """Other families of the machine, but for those that draw boxes, bitmaps, or symbols at the
    code points of letters."""
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
    """The upright face of normal weight of each family that has one."""
    _register_korean()
    return {
        entry.name: entry
        for entry in fontManager.ttflist
        if entry.style == "normal" and entry.weight in (400, "normal", "regular", "book")
    }


@functools.cache
def _characters(family):
    """The code points that a family has glyphs for; none where it cannot be read."""
    face = _regular_faces().get(family)
    try:
        return frozenset(FT2Font(face.fname).get_charmap() if face else ())
    except (RuntimeError, OSError):
        return frozenset()


def _register_korean():
    """Tells matplotlib of NanumGothic, unless it knows it already."""
    package = importlib.util.find_spec("koreanize_matplotlib")
    if package is None or package.origin is None:
        return
    known = {Path(entry.fname).name for entry in fontManager.ttflist}
    for name, weight in (("NanumGothic.ttf", 400), ("NanumGothicBold.ttf", 700)):
        path = Path(package.origin).parent / "fonts" / name
        if path.is_file() and name not in known:
            fontManager.addfont(path)
            # The bold file calls itself semi-bold, which matplotlib would warn of each time.
            fontManager.ttflist[-1] = dataclasses.replace(fontManager.ttflist[-1], weight=weight)
