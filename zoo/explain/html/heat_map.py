"""A page with a table of weights, its cells shaded by weight."""

from collections.abc import Sequence
from html import escape

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.4 system-ui, "Noto Sans", "NanumGothic", sans-serif; color: #1d2330;
       background: #fff; margin: 1.5em; }}
table {{ border-collapse: separate; border-spacing: 1px; }}
caption {{ text-align: left; padding-bottom: .7em; }}
th {{ font-weight: normal; white-space: nowrap; }}
th[scope=col] {{ writing-mode: {writing}; vertical-align: bottom; padding: .3em 0; }}
th[scope=row] {{ text-align: right; padding: 0 .4em; position: sticky; left: 0;
               background: #fff; }}
td {{ font-size: 10px; text-align: center; min-width: 2.6em; height: 2.4em; }}
</style>
<table>
<caption>{caption}</caption>
<thead><tr><td></td>{columns}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
{note}
"""


def page(
    source: Sequence[str],
    target: Sequence[str],
    weights: Sequence[Sequence[float]],
    note: str,
    text: str,
    translation: str,
) -> str:
    """The page of a table with a column for each source token and a row for each target token.

    Args:
        source: The label of each column.
        target: The label of each row.
        weights: Weights, `[target, source]`.
        note: A note to write under the table, or `""`.
        text: The source text.
        translation: The target text.

    Returns:
        The HTML, with all text escaped.
    """
    greatest = max((weight for row in weights for weight in row), default=0.0) or 1.0
    rows = []
    for label, row in zip(target, weights, strict=True):
        cells = "".join(
            f'<td style="background: rgba(249, 167, 62, {weight / greatest:.3f})">{weight:.2f}</td>'
            for weight in row
        )
        rows.append(f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>')
    return PAGE.format(
        title=escape(translation) or "Alignment",
        writing="vertical-rl" if any(len(label) > 3 for label in source) else "horizontal-tb",
        caption=f"{escape(text)} → {escape(translation)}",
        columns="".join(f'<th scope="col">{escape(label)}</th>' for label in source),
        rows="\n".join(rows),
        note=f"<p>{note}</p>" if note else "",
    )
