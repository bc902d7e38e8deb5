"""Words with their spans marked, as HTML."""

from collections.abc import Iterable, Sequence
from html import escape

from zoo.explain.spans import color_of, segments


def to_html(
    words: Sequence[str], spans: Sequence[tuple[str, int, int]], separator: str = " "
) -> str:
    """The words with each span in the colour of its type, and the type after it.

    Args:
        words: The words.
        spans: `(type, start, end)`, in order.
        separator: The text between two words. Defaults to a space.

    Returns:
        The HTML, with all text escaped.
    """
    types = [type for type, _, _ in spans]
    parts = []
    for type, text in segments(words, spans, separator):
        if type is None:
            parts.append(escape(text))
        else:
            color = color_of(type, types)
            parts.append(
                f'<mark style="background: {color}; color: #1d2330">{escape(text)} '
                f"<small>{escape(type)}</small></mark>"
            )
    return separator.join(parts)


PAGE = """<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.9 system-ui, "Noto Sans", "NanumGothic", sans-serif; color: #1d2330;
       background: #fff; max-width: 60em; margin: 1.5em auto; padding: 0 1em; }}
h1 {{ font-size: 1.3em; }} mark {{ border-radius: .25em; padding: .15em .3em; }}
mark small {{ opacity: .75; }} dl {{ margin: 0 0 1.4em; }}
dt {{ color: #666d80; font-size: .85em; line-height: 1.3; }} dd {{ margin: 0; }}
</style>
<h1>{title}</h1>
{rows}
"""


def page(title: str, rows: Iterable[Sequence[tuple[str, str]]]) -> str:
    """A page of sentences, each in several versions, such as predicted and true.

    Args:
        title: The title of the page.
        rows: For each sentence its versions: pairs of a name and the HTML of `to_html`.

    Returns:
        The HTML, with names and title escaped.
    """
    lists = (
        "".join(f"<dt>{escape(name)}</dt><dd>{html}</dd>" for name, html in versions)
        for versions in rows
    )
    body = "\n".join(f"<dl>{versions}</dl>" for versions in lists)
    return PAGE.format(title=escape(title), rows=body)
