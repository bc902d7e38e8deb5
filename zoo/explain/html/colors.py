"""Colours of weights and effects, and lists of notes, for all pages."""

from collections.abc import Sequence
from html import escape


def weight_color(share: float) -> str:
    """The CSS colour of a weight, as a share of the greatest."""
    return f"rgba(249, 167, 62, {share:.3f})"


def effect_color(share: float) -> str:
    """The CSS colour of an effect, as a share of the strongest: blue for, red against."""
    channels = "61, 133, 208" if share >= 0 else "224, 86, 74"
    return f"rgba({channels}, {abs(share):.3f})"


def note_list(notes: Sequence[str]) -> str:
    """The notes as a list, escaped; nothing if there are none."""
    if not notes:
        return ""
    return f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>'
