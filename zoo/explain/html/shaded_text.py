"""A page with a text whose tokens are shaded by weight."""

from collections.abc import Sequence
from html import escape

from zoo.explain.text_boxes import TextBox

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


def page(boxes: Sequence[TextBox], prediction: str | None, probability: float | None) -> str:
    """The page of a text; the tooltip of a token shows its weight in each head.

    Args:
        boxes: The boxes.
        prediction: The predicted label, or `None`.
        probability: Its probability, or `None`.

    Returns:
        The HTML, with all text escaped.
    """
    greatest = max((box.weight for box in boxes), default=0.0) or 1.0
    tokens = []
    for box in boxes:
        weights = " ".join(f"{weight:.4f}" for weight in box.heads)
        share = box.weight / greatest
        tokens.append(
            f'{" " * box.gap}<span title="{weights}" style="background: '
            f'rgba(249, 167, 62, {share:.3f})">{escape(box.text) or "&nbsp;"}</span>'
        )
    answer = escape(prediction or "")
    suffix = f" <small>{probability:.1%}</small>" if answer and probability is not None else ""
    return PAGE.format(
        title=answer or "Token weights",
        heading=f"<h1>{answer}{suffix}</h1>" if answer else "",
        tokens="".join(tokens),
    )
