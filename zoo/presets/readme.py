"""Generates the README of a preset from its card; Hugging Face shows it as the model card."""

from zoo.presets.card import Card
from zoo.tasks import TASKS

# Licence identifiers of Hugging Face; any other licence is "other", with its name beside it.
_LICENCES = (
    "apache-2.0 mit bsd-3-clause cc0-1.0 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 "
    "cc-by-nc-4.0 cc-by-nc-sa-4.0 gpl-3.0 lgpl-3.0 unlicense"
).split()


def readme(card: Card) -> str:
    """The README of a preset.

    Args:
        card: Card of the preset.

    Returns:
        Markdown: the model card, with front matter for Hugging Face.
    """
    import yaml

    front = yaml.safe_dump(_front_matter(card), allow_unicode=True, sort_keys=False)
    return f"---\n{front}---\n\n{model_card(card)}"


def model_card(card: Card) -> str:
    """The model card of a preset, in Markdown.

    Args:
        card: Card of the preset.
    """
    sections = [
        f"# {card.name}",
        card.description,
        _table(
            ("", ""),
            [
                ("task", card.task),
                ("languages", ", ".join(card.languages)),
                ("dataset", card.dataset),
                ("parameters", f"{card.parameters:,}"),
                ("size", f"{card.bytes / 1e6:,.1f} MB"),
                ("licence", card.licence),
                ("recipe", f"`{card.recipe}`" if card.recipe else ""),
            ],
        ),
    ]
    if card.metrics:
        rows = [(name, f"{value:.4g}") for name, value in card.metrics.items()]
        sections += ["## Measured", "From the stored files.", _table(("metric", "value"), rows)]
    if card.seeds:
        sections += _seeds(card.seeds)
    if card.behaviour:
        sections += ["## Behaviour", *_behaviour(card.behaviour)]
    sections += ["## Use", _usage(card)]
    if card.training:
        rows = [(key.replace("_", " "), _plain(value)) for key, value in card.training.items()]
        sections += ["## Training", _table(("", ""), rows)]
    if card.citation:
        fence = "~~~~"
        sections += ["## Citation", f"{fence}\n{card.citation.strip()}\n{fence}"]
    sections += ["## Files", f"SHA-256 of all: `{card.sha256}`. Loading verifies each of them."]
    return "\n\n".join(section for section in sections if section) + "\n"


def _front_matter(card):
    licence = card.licence.lower()
    known = licence in _LICENCES
    task = TASKS.get(card.task)
    pipeline_tag = task.pipeline_tag_of(card.metrics) if task else None
    front = {
        "library_name": "keras-hub",
        "license": licence if known else "other",
        **({} if known else {"license_name": card.licence}),
        "language": list(card.languages),
        "pipeline_tag": pipeline_tag,
        "tags": ["seqzoo", "keras", card.task.replace("_", "-")],
        "datasets": [card.dataset] if card.dataset else None,
    }
    if card.metrics and task:
        metrics = [
            {"type": name.rpartition("/")[2], "name": name, "value": value}
            for name, value in card.metrics.items()
        ]
        result = {
            "task": {"type": pipeline_tag},
            "dataset": {"name": card.dataset, "type": card.dataset},
            "metrics": metrics,
        }
        front["model-index"] = [{"name": card.name, "results": [result]}]
    return {key: value for key, value in front.items() if value}


def _seeds(seeds):
    listed = ", ".join(map(str, seeds["seeds"]))
    yield f"The best on dev of the seeds {listed}. Mean and standard deviation of all of them:"
    rows = [
        (name, f"{value:.4g} ± {seeds['deviation'][name]:.2g}")
        for name, value in seeds["mean"].items()
    ]
    yield _table(("metric", "mean ± deviation"), rows)


def _behaviour(behaviour):
    kinds = {kind: (it["right"], it["n"]) for kind, it in behaviour["kinds"].items()}
    right, count = map(sum, zip(*kinds.values(), strict=True))
    rows = [(kind.replace("_", " "), f"{one} of {n}") for kind, (one, n) in kinds.items()]
    rows.append(("**all**", f"**{right} of {count}**, {right / count:.1%}"))
    yield f"Right answers to the sentences of `{behaviour['dataset']}`, which are never trained on."
    yield _table(("kind", "right"), rows)
    if behaviour["pairs"]:
        agree = f"{behaviour['pairs_agree']} of {behaviour['pairs']}"
        yield f"Pairs of sentences that differ in a name alone and get the same answer: {agree}."


def _usage(card):
    return (
        "```python\nimport zoo\n\n"
        f'model = zoo.load("{card.name}")  # or the folder of this file\n'
        "model.infer([…])\n```\n\n"
        f"```\nzoo infer {card.name} …\n```"
    )


def _table(head, rows):
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows if value]
    return "\n".join(lines)


def _cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


def _plain(value):
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    return f"{value:,.1f}" if isinstance(value, float) else str(value)
