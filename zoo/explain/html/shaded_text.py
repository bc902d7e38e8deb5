"""A page with a text whose words are coloured by effect, or else by weight."""

from collections.abc import Sequence
from html import escape

from zoo.explain.html.colors import effect_color, note_list, weight_color
from zoo.explain.text_boxes import TextBox

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 16px/2.1 system-ui, "Noto Sans", "NanumGothic", sans-serif; color: #1d2330;
       background: #fff; max-width: 48em; margin: 1.5em auto; padding: 0 1em; }}
h1 {{ font-size: 1.2em; }} h1 small {{ color: #666d80; font-weight: normal; }}
span {{ border-radius: .25em; padding: .15em .2em .25em; }}
span.flips {{ outline: 1.5px solid #1d2330; }}
.notes {{ color: #666d80; font-size: .85em; line-height: 1.5; list-style: none; padding: 0; }}
</style>
{heading}
<p>{tokens}</p>
{notes}
"""


def page(
    boxes: Sequence[TextBox],
    prediction: str | None,
    probability: float | None,
    notes: Sequence[str] = (),
    least_full: float = 0.0,
) -> str:
    """The page of a text; the tooltip of a word shows its effect and its weight in each head.

    Where there are effects, a bar under a word is its weight.

    Args:
        boxes: The boxes.
        prediction: The predicted label, or `None`.
        probability: Its probability, or `None`.
        notes: Sentences to write beneath. Defaults to none.
        least_full: float. The least effect with full colour. Defaults to `0.0`.

    Returns:
        The HTML, with all text escaped.
    """
    greatest = max((box.salience for box in boxes), default=0.0) or 1.0
    heaviest = max((box.weight for box in boxes if box.effect is not None and box.heads), default=0)
    tokens = []
    for box in boxes:
        if box.effect is None:
            color = weight_color(box.weight / greatest)
        else:
            color = effect_color(box.effect / max(greatest, least_full))
            if heaviest:
                color = f"{_bar(box.weight / heaviest)}, {color}"
        tokens.append(
            f'{" " * box.gap}<span{" class=flips" * box.flips} title="{_tooltip(box)}" '
            f'style="background: {color}">{escape(box.text) or "&nbsp;"}</span>'
        )
    if heaviest:
        notes = [*notes, "A bar under a word is its attention, as a share of the greatest."]
    answer = escape(prediction or "")
    suffix = f" <small>{probability:.1%}</small>" if answer and probability is not None else ""
    return PAGE.format(
        title=answer or "Explanation",
        heading=f"<h1>{answer}{suffix}</h1>" if answer else "",
        tokens="".join(tokens),
        notes=note_list(notes),
    )


def _bar(share):
    """A background of CSS: a bar along the bottom, of a share of the width."""
    return f"linear-gradient(#666d80, #666d80) 0 100% / {share:.1%} 3px no-repeat"


def _tooltip(box):
    weights = " ".join(f"{weight:.4f}" for weight in box.heads)
    if box.effect is None:
        return weights
    return f"effect {box.effect:+.4f}" + f", attention {weights}" * bool(weights)
