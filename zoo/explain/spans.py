"""Colours of spans of words, for terminals and pages."""

from collections.abc import Iterator, Sequence

# Light enough for dark letters; neighbours differ for colour-blind readers too.
COLORS = ("#a5c8ee", "#fdcf86", "#b5dfb0", "#f3b3a9", "#d3c1ea", "#a9dfe0", "#e9c7d8", "#d8d8c0")


def color_of(type: str, types: Sequence[str]) -> str:
    """The colour of a type among those of a text: each has one of its own, up to eight."""
    return COLORS[sorted(set(types)).index(type) % len(COLORS)]


def segments(
    words: Sequence[str], spans: Sequence[tuple[str, int, int]], separator: str = " "
) -> Iterator[tuple[str | None, str]]:
    """The text in order, cut at its spans: pairs of a type, `None` between spans, and the words.

    Args:
        words: The words.
        spans: `(type, start, end)`, in order, without overlap.
        separator: The text between two words. Defaults to a space.
    """
    done, join = 0, separator.join
    for type, start, end in spans:
        if start > done:
            yield None, join(words[done:start])
        yield type, join(words[start:end])
        done = end
    if done < len(words):
        yield None, join(words[done:])
