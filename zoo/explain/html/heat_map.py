"""A page with tables of weights and of effects, their cells shaded."""

from collections.abc import Sequence
from html import escape

from zoo.explain.html.colors import effect_color, note_list, weight_color
from zoo.explain.matrix import Matrix

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.4 system-ui, "Noto Sans", "NanumGothic", sans-serif; color: #1d2330;
       background: #fff; margin: 1.5em; }}
h1 {{ font-size: 1.2em; }}
table {{ border-collapse: separate; border-spacing: 1px; margin-bottom: 1.5em; }}
caption {{ text-align: left; padding-bottom: .7em; white-space: nowrap;
         max-width: 0; }}
th {{ font-weight: normal; white-space: nowrap; }}
th[scope=col] {{ {columns}vertical-align: bottom; padding: .3em 0; }}
th[scope=row] {{ text-align: right; padding: 0 .4em; position: sticky; left: 0;
               background: #fff; }}
td {{ font-size: 10px; text-align: center; min-width: 36px; height: 2.4em; }}
td.flips {{ outline: 1.5px solid #1d2330; outline-offset: -1.5px; }}
mark {{ border-radius: .25em; padding: .15em .2em; }} mark small {{ opacity: .75; }}
.notes {{ color: #666d80; font-size: .9em; list-style: none; padding: 0; }}
</style>
{heading}
{spans}
{tables}
{notes}
"""
# Long labels of columns are written upwards, each over the middle of its column.
UPWARDS = (
    "writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; line-height: 36px; "
)
TABLE = """<table>
<caption>{caption}</caption>
<thead><tr><td></td>{columns}</tr></thead>
<tbody>
{rows}
</tbody>
</table>"""


def page(
    source: Sequence[str],
    target: Sequence[str],
    matrices: Sequence[Matrix],
    notes: Sequence[str],
    text: str,
    translation: str,
    title: str = "",
    spans: str = "",
) -> str:
    """The page of tables with a column for each source token and a row for each target token.

    Args:
        source: The label of each column.
        target: The label of each row.
        matrices: What the tables show.
        notes: Sentences to write under the tables.
        text: The source text.
        translation: The target text.
        title: A heading, such as an intent. Defaults to `""`.
        spans: HTML to show above the tables. Defaults to `""`.

    Returns:
        The HTML, with all text escaped.
    """
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in source)
    tables = []
    for i, matrix in enumerate(matrices):
        parts = [f"{escape(text)} → {escape(translation)}"] if not (i or spans) else []
        parts += [escape(matrix.name)] if len(matrices) > 1 or matrix.signed else []
        rows = _rows(target, matrix)
        tables.append(TABLE.format(caption=" · ".join(parts), columns=head, rows=rows))
    return PAGE.format(
        title=escape(title or translation) or "Alignment",
        columns=UPWARDS if any(len(label) > 3 for label in source) else "",
        heading=f"<h1>{escape(title)}</h1>" if title else "",
        spans=f"<p>{spans}</p>" if spans else "",
        tables="\n".join(tables),
        notes=note_list(notes),
    )


def _rows(target, matrix):
    greatest = matrix.greatest or 1.0
    color = effect_color if matrix.signed else weight_color
    rows = []
    for row, (label, values) in enumerate(zip(target, matrix.values, strict=True)):
        cells = "".join(
            f"<td{' class=flips' * ((row, column) in matrix.marks)} "
            f'style="background: {color(value / greatest)}">{_number(value, matrix.signed)}</td>'
            for column, value in enumerate(values)
        )
        rows.append(f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>')
    return "\n".join(rows)


def _number(value, signed):
    """A formatted number, without a sign if it is rounded to zero."""
    text = f"{value:+.2f}" if signed else f"{value:.2f}"
    return text if float(text) else "0.00"
