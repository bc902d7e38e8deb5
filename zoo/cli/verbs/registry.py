"""List and compare the registered models, and choose the champion among their versions.

A version that passes its recipe's gate on the dev split becomes the champion,
`models:/NAME@champion`, if the present one is not better on the same data, and otherwise the
challenger. `promote` and `rollback` do it by hand. Every version says why.
"""

from argparse import ArgumentParser, Namespace
from datetime import datetime
from typing import TYPE_CHECKING

from zoo.cli import backend, output
from zoo.cli.errors import WrongUse, command
from zoo.extras import need
from zoo.tasks import TASKS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

EXAMPLES = """\
  zoo registry ls
  zoo registry show quickstart
  zoo registry show quickstart@champion
  zoo registry compare quickstart 1 3             (without numbers: champion and challenger)
  zoo registry promote quickstart 3 --reason "shorter answers"
  zoo registry rollback quickstart"""
NEXT = "zoo registry ls"
FORMS = {
    "ls": "zoo registry ls",
    "show": "zoo registry show NAME, NAME/VERSION or NAME@ALIAS",
    "compare": "zoo registry compare NAME [VERSION VERSION …]",
    "promote": "zoo registry promote NAME VERSION",
    "rollback": "zoo registry rollback NAME",
}
COUNTS = {"ls": (0, 0), "show": (1, 1), "compare": (1, 9), "promote": (2, 2), "rollback": (1, 1)}
COSMETIC = ("description", "tracking.", "variants")  # settings that do not change a model


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=tuple(FORMS), help="what to do")
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        default=[],
        help="a registered model, and for `compare` and `promote` versions or aliases of it",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--force",
        action="store_true",
        help="promote: also where the champion is better or has other data",
    )
    parser.add_argument(
        "--reason", default="", metavar="TEXT", help="promote, rollback: written on the version"
    )


def run(args: Namespace) -> None:
    least, most = COUNTS[args.action]
    if not least <= len(args.names) <= most:
        raise WrongUse(
            f"`zoo registry {args.action}` is written {FORMS[args.action]}. "
            f"Received: {' '.join(args.names) or 'no name'}",
            hint="zoo registry --help",
        )
    if args.action not in ("promote", "rollback") and (args.force or args.reason):
        raise WrongUse("--force and --reason are for promote and rollback.", hint=NEXT)
    need("train", "The registry", "mlflow")
    backend.quiet_libraries()
    from mlflow import MlflowClient

    from zoo.tracking import prepare_store

    client = MlflowClient(prepare_store())
    if args.action == "ls":
        _list(client, args.json)
    elif args.action == "show":
        _show(client, args.names[0], args.json)
    elif args.action == "compare":
        _compare(client, args.names[0], args.names[1:], args.json)
    else:
        _choose(client, args)


# List and show


def _list(client: "MlflowClient", as_json: bool) -> None:
    models = [_model(client, it) for it in client.search_registered_models(max_results=1000)]
    if as_json:
        output.print_json(models)
        return
    if not models:
        output.say("No model is registered.\nnext: zoo presets import, or zoo run RECIPE")
        return
    output.table(
        ["name", "task", "versions", "champion", "challenger", "published"],
        [
            [model["name"], model["task"], model["versions"]]
            + [
                _in_brief(model[alias], model["task"])
                for alias in ("champion", "challenger", "published")
            ]
            for model in models
        ],
        numbers=["versions"],
    )


def _model(client, model) -> dict:
    """A registered model: its task, and the versions with an alias."""
    from zoo.tracking.champion import aliases_of, versions_of

    versions = {int(it.version): it for it in versions_of(client, model.name)}
    at = aliases_of(client, model.name)
    return {
        "name": model.name,
        "task": model.tags.get("task", ""),
        "versions": len(versions),
        **{
            alias: _fields(client, versions[at[alias]], at) if at.get(alias) in versions else None
            for alias in ("champion", "challenger", "published")
        },
    }


def _in_brief(version: dict | None, task: str) -> str | None:
    if version is None:
        return None
    value = version["gate"].removesuffix(": passed") or _headline(version["metrics"], task)
    return f"version {version['version']}{f': {value}' if value else ''}"


def _headline(metrics: dict[str, float], task: str) -> str:
    """The metric by which models of a task are compared."""
    names = TASKS[task].headline if task in TASKS else ()
    for name in (f"{split}/{name}" for split in ("test", "dev") for name in names):
        if name in metrics:
            return f"{name} {metrics[name]:.4g}"
    return ""


def _show(client: "MlflowClient", name: str, as_json: bool) -> None:
    from zoo.tracking.champion import aliases_of, versions_of
    from zoo.tracking.registry import check_model, find_version

    name, which = _split(name)
    check_model(client, name)
    at = aliases_of(client, name)
    if which:
        version = find_version(client, name, which)
        if as_json:
            output.print_json(_fields(client, version, at))
            return
        print(f"{name} version {version.version}\n{version.description}")
        print(f"next: zoo infer {_uri(version)} …")
        return
    versions = [_fields(client, it, at) for it in versions_of(client, name)]
    model = client.get_registered_model(name)
    if as_json:
        output.print_json({"name": name, "description": model.description, "versions": versions})
        return
    print(f"{name}\n{model.description}\n")
    output.table(
        ["version", "alias", "registered", "data", "gate", "why"],
        [
            [it["version"], it["aliases"], it["registered"], it["dataset"], it["gate"], it["why"]]
            for it in versions
        ],
    )
    print(f"next: zoo registry show {name}/{versions[0]['version'] if versions else '1'}")


def _fields(client, version: "ModelVersion", at: dict[str, int]) -> dict:
    """A version as a dictionary for JSON."""
    from zoo.tracking.champion import REASON_TAG

    number, tags = int(version.version), version.tags
    return {
        "version": number,
        "aliases": [alias for alias, it in at.items() if it == number],
        "registered": f"{datetime.fromtimestamp(version.creation_timestamp / 1000):%Y-%m-%d %H:%M}",
        "dataset": tags.get("dataset", ""),
        "dataset.digest": tags.get("dataset.digest", ""),
        "gate": tags.get("gate", ""),
        "why": tags.get(REASON_TAG) or tags.get("source", ""),
        "metrics": _metrics(client, version),
        "run": version.run_id,
        "uri": _uri(version),
    }


# Compare


def _compare(client: "MlflowClient", name: str, which: list[str], as_json: bool) -> None:
    from zoo.tracking.registry import find_version

    chosen = which or ["champion", "challenger"]
    if len(chosen) < 2:
        raise WrongUse(
            f"Give two or more versions or aliases to compare. Received: {chosen[0]}",
            hint=command("zoo", "registry", "compare", name, chosen[0], "champion"),
        )
    versions = [find_version(client, name, it) for it in chosen]
    heads = [str(it.version) if str(it.version) == w else f"{it.version} ({w})"
             for it, w in zip(versions, chosen, strict=True)]  # fmt: skip
    metrics = [_metrics(client, it) for it in versions]
    settings = [_settings(client, it) for it in versions]
    rows = {
        key: [it.get(key) for it in metrics] for key in sorted({k for it in metrics for k in it})
    }
    changed = {
        key: values
        for key in sorted({k for it in settings for k in it})
        if len(set(values := [it.get(key) for it in settings])) > 1
    }
    digests = {it.tags.get("dataset.digest") for it in versions}
    if as_json:
        output.print_json(
            {
                "versions": heads,
                "same_data": len(digests) == 1,
                "metrics": rows,
                "settings": changed,
            }
        )
        return
    two = len(versions) == 2
    output.table(
        ["metric", *heads, *(["difference"] if two else [])],
        [[key, *values, *([_difference(*values)] if two else [])] for key, values in rows.items()],
        numbers=[*heads, "difference"],
    )
    if changed:
        print()
        output.table(["setting", *heads], [[key, *values] for key, values in changed.items()])
    if len(digests) > 1:
        print("\nThe versions were measured on different data: their metrics do not compare.")


def _difference(one: float | None, other: float | None) -> str | None:
    return None if one is None or other is None else f"{other - one:+.4f}"


def _metrics(client, version: "ModelVersion") -> dict[str, float]:
    """The metrics of a version's model, those of its card."""
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_logged_model((version.source or "").rpartition("/")[2])
    except MlflowException:  # registered by other means, or deleted
        return {}
    return {metric.key: metric.value for metric in model.metrics or []}


def _settings(client, version: "ModelVersion") -> dict[str, str]:
    """The settings of a version's run that can change a model."""
    from mlflow.exceptions import MlflowException

    try:
        params = client.get_run(version.run_id).data.params
    except MlflowException:
        return {}
    return {key: value for key, value in params.items() if not key.startswith(COSMETIC)}


# Promote and roll back


def _choose(client: "MlflowClient", args: Namespace) -> None:
    from zoo.tracking.registry import find_version, promote, rollback

    name = args.names[0]
    if args.action == "rollback":
        chosen = rollback(client, name, args.reason)
    else:
        number = int(find_version(client, name, args.names[1]).version)
        chosen = promote(client, name, number, force=args.force, reason=args.reason)
    if args.json:
        output.print_json(chosen.__dict__ | {"uri": chosen.uri})
        return
    state = "is the champion" if chosen.champion else "is not the champion"
    print(f"{name} version {chosen.version} {state}: {chosen.reason}")
    print(f"next: zoo infer {chosen.uri} …")


def _split(name: str) -> tuple[str, str | None]:
    """Name, and number or alias, of `NAME`, `NAME/2`, `NAME@champion` or `models:/…`."""
    name = name.removeprefix("models:/")
    for mark in "/@":
        if mark in name:
            before, _, after = name.partition(mark)
            return before, after
    return name, None


def _uri(version: "ModelVersion") -> str:
    return f"models:/{version.name}/{version.version}"
