"""The sentence with shaded tokens as a page of HTML, complete in itself."""

from collections.abc import Sequence
from html import escape

from zoo.explain.spans import Span

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 16px/2.1 system-ui, "Noto Sans", "NanumGothic", sans-serif; color: #1d2330;
       background: #fff; max-width: 48em; margin: 1.5em auto; padding: 0 1em; }}
h1 {{ font-size: 1.2em; }} h1 small {{ color: #7a8194; font-weight: normal; }}
span {{ border-radius: .25em; padding: .15em .2em; }}
</style>
{heading}
<p>{tokens}</p>
"""


def page(spans: Sequence[Span], prediction: str | None, probability: float | None) -> str:
    """Writes the page. Pointing at a token tells its weight (of each head).

    Args:
        spans: The boxes.
        prediction: What the model answered, or `None`.
        probability: Its probability, or `None`.

    Returns:
        The HTML. All text in it is escaped.
    """
    most = max((span.weight for span in spans), default=0.0) or 1.0
    tokens = []
    for span in spans:
        weights = " ".join(f"{weight:.4f}" for weight in span.heads)
        tokens.append(
            f'{" " * span.gap}<span title="{weights}" style="background: '
            f'rgba(249, 167, 62, {span.weight / most:.3f})">{escape(span.text) or "&nbsp;"}</span>'
        )
    answer = escape(prediction or "")
    share = f" <small>{probability:.1%}</small>" if answer and probability is not None else ""
    return PAGE.format(
        title=answer or "Token weights",
        heading=f"<h1>{answer}{share}</h1>" if answer else "",
        tokens="".join(tokens),
    )
