"""Model registry: new versions, promotion, rollback."""

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.suggestions import did_you_mean
from zoo.tracking.champion import (
    CHAMPION,
    MAX_DESCRIPTION,
    adopt,
    aliases_of,
    compare,
    decide,
    settle,
    succession,
    versions_of,
)
from zoo.tracking.gates import GateResult

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from zoo.presets import Card

CREATE_ATTEMPTS = 10
# Without them nobody can tell what a version is, or may use it.
NEEDED = ("name", "task", "dataset", "licence", "description", "parameters", "sha256", "metrics")


class RegistryError(ValueError):
    """Error for a model or version that does not exist, or may not become the champion."""

    hint: str | None = None


@dataclass(frozen=True)
class Registered:
    """A registered version of a model.

    Attributes:
        name: Name of the registered model.
        version: Its version: 1, 2, …
        champion: Whether the alias `champion` points to it.
        reason: The reason why it does or does not.
    """

    name: str
    version: int
    champion: bool
    reason: str

    @property
    def uri(self) -> str:
        """The URI for `zoo.load`: by the alias if this version is the champion."""
        return f"models:/{self.name}@{CHAMPION}" if self.champion else self.version_uri

    @property
    def version_uri(self) -> str:
        """The URI of this version, whatever the champion is."""
        return f"models:/{self.name}/{self.version}"


def register(
    client: "MlflowClient",
    model_uri: str,
    name: str,
    card: "Card",
    gate: GateResult,
    *,
    run_id: str,
    dataset_digest: str = "",
) -> Registered:
    """Registers a logged model as the next version, and moves the alias `champion` if it is better.

    The alias moves to the new version only if the gate passed and the present champion, measured
    by the same metric on the same data, is not better; otherwise the version gets the alias
    `challenger`. See `zoo.tracking.champion` for versions that are registered at the same time. A
    logged model that is registered already, as when a run is resumed, keeps its version.

    Args:
        client: A `mlflow.MlflowClient`.
        model_uri: `models:/m-…`, as `Run.log_model` returns it.
        name: Name in the registry, without `/` and `:`.
        card: The card of the preset; becomes the description of the version.
        gate: The result of the recipe's gate on the dev split.
        run_id: The run that trained the model.
        dataset_digest: Digest of the data of the gate.

    Returns:
        A `Registered`.

    Raises:
        ValueError: if the name is empty or contains `/` or `:`, or the card is not complete.
    """
    tags = {
        "dataset.digest": dataset_digest,
        "gate": str(gate),
        "gate.metric": gate.metric,
        "gate.mode": gate.mode,
        "gate.value": repr(gate.value),
    }
    description = describe(card, gate)
    number = add_version(client, model_uri, name, card, description, tags, run_id)
    found = settle(client, name)
    return Registered(name, number, found.champion == number, found.reasons[number])


def add_version(
    client: "MlflowClient",
    model_uri: str,
    name: str,
    card: "Card",
    description: str,
    tags: dict[str, str],
    run_id: str,
) -> int:
    """Creates the next version of a logged model, or returns the one that it has.

    Args:
        client, model_uri, name, card, run_id: As in `register`.
        description: Markdown.
        tags: Further tags of the version.

    Returns:
        The number of the version.

    Raises:
        ValueError: if the name is empty or contains `/` or `:`, or the card is not complete.
    """
    if not name or set(name) & set("/:"):
        raise ValueError(
            "The name of a registered model must not contain '/' or ':'; use '_' instead. "
            f"Received: name={name!r}"
        )
    if missing := [key for key in NEEDED if not getattr(card, key)]:
        raise ValueError(
            "A version is registered with a complete card only: give `zoo.presets.save` the "
            f"missing facts. Received: a card without {', '.join(missing)}"
        )
    _create_model(client, name, card)
    adopt(client, name)
    model_id = model_uri.rpartition("/")[2]
    version = next((it for it in versions_of(client, name) if it.source == model_uri), None)
    version = version or _create_version(
        client,
        name,
        source=model_uri,
        run_id=run_id,
        model_id=model_id,
        description=description,
        tags={"task": card.task, "dataset": card.dataset} | tags,
    )
    number = int(version.version)  # an int or a string, depending on the store
    _link(client, model_id, name, str(number))
    return number


def promote(
    client: "MlflowClient", name: str, number: int, *, force: bool = False, reason: str = ""
) -> Registered:
    """Makes a version the champion.

    Args:
        client: A `mlflow.MlflowClient`.
        name: Name of the registered model.
        number: The version.
        force: Whether to do so without a gate, and if the champion is better or has other data.
            Defaults to `False`.
        reason: Why, for the version's tag and description. Defaults to `""`.

    Raises:
        RegistryError: if there is no such model or version, it is the champion, or it is not
            better.
    """
    version = find_version(client, name, number)
    adopt(client, name)
    at = aliases_of(client, name).get(CHAMPION)
    if at == number:
        error = RegistryError(
            f"Version {number} of {name} is the champion already: promote another version, or go "
            f"back to the champion before it with `zoo registry rollback {name}`. "
            f"Received: version={number}"
        )
        error.hint = f"zoo registry show {name}"
        raise error
    if not force:
        may, why = compare(version, find_version(client, name, at) if at else None)
        if not may:
            error = RegistryError(f"Version {number} of {name} does not become the champion: {why}")
            error.hint = f"zoo registry promote {name} {number} --force --reason …"
            raise error
    found = decide(client, name, number, "force" if force else "promote", reason)
    return Registered(name, number, found.champion == number, found.reasons[number])


def rollback(client: "MlflowClient", name: str, reason: str = "") -> Registered:
    """Makes the champion before the present one the champion again.

    Args:
        client: A `mlflow.MlflowClient`.
        name: Name of the registered model.
        reason: Why, for the tags and descriptions. Defaults to `""`.

    Raises:
        RegistryError: if there is no such model, or no earlier champion.
    """
    check_model(client, name)
    adopt(client, name)
    champions = succession(versions_of(client, name)).champions
    if len(champions) < 2:
        error = RegistryError(
            f"{name} has no earlier champion to go back to: promote a version by its number. "
            f"Received: champions {', '.join(map(str, champions)) or 'none'}"
        )
        error.hint = f"zoo registry show {name}"
        raise error
    number = champions[-2]
    found = decide(client, name, number, "rollback", reason)
    return Registered(name, number, found.champion == number, found.reasons[number])


def check_model(client: "MlflowClient", name: str) -> None:
    """Raises `RegistryError` if there is no registered model of this name."""
    names = [model.name for model in client.search_registered_models(max_results=1000)]
    if name not in names:
        error = RegistryError(f"There is no registered model `{name}`.{did_you_mean(name, names)}")
        error.hint = "zoo registry ls" if names else "zoo presets import"
        raise error


def find_version(client: "MlflowClient", name: str, which: int | str) -> "ModelVersion":
    """A version by its number or alias.

    Raises:
        RegistryError: if there is no such model, version or alias.
    """
    check_model(client, name)
    versions = {int(it.version): it for it in versions_of(client, name)}
    aliases = aliases_of(client, name)
    number = int(which) if str(which).isdecimal() else aliases.get(str(which))
    if number not in versions:
        known = [*map(str, sorted(versions)), *aliases]
        error = RegistryError(
            f"{name} has the versions {', '.join(known) or 'none'}. Received: {which}"
        )
        error.hint = f"zoo registry show {name}"
        raise error
    return versions[number]


def describe(card: "Card", gate: GateResult | None = None) -> str:
    """The card as Markdown, truncated to the limit of the registry.

    Args:
        card: The card.
        gate: The result of the recipe's gate. Defaults to `None`: of a published model.
    """
    languages = f" ({', '.join(card.languages)})" if card.languages else ""
    metrics = ", ".join(f"{name} **{value:.4g}**" for name, value in card.metrics.items())
    lines = [
        card.description,
        "",
        f"- **Task** {card.task}; **data** {card.dataset}{languages}",
        f"- **Measured** {metrics}",
        *([f"- **Gate** (dev) {gate}"] if gate else []),
        f"- **Size** {card.parameters:,} parameters, {card.bytes / 2**20:.1f} MiB",
        f"- **Licence** {card.licence}",
        f"- **Recipe** `{card.recipe}`",
        f"- **sha256** `{card.sha256}`",
    ]
    return "\n".join(lines)[:MAX_DESCRIPTION]


def _create_model(client, name, card):
    from mlflow.exceptions import MlflowException

    tags = {"task": card.task, "languages": ", ".join(card.languages)}
    try:
        client.create_registered_model(
            name, tags=tags, description=card.description[:MAX_DESCRIPTION]
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _create_version(client, name, **fields):
    """Creates the next version. The registry fails if many processes do so at the same time."""
    from mlflow.exceptions import MlflowException

    for attempt in range(CREATE_ATTEMPTS):
        try:
            return client.create_model_version(name, **fields)
        except MlflowException as error:
            if "Giving up" not in str(error) or attempt == CREATE_ATTEMPTS - 1:
                raise
            time.sleep(0.05 * attempt)


def _link(client, model_id, name, number):
    """Links the logged model to its version in the UI, as `mlflow.register_model` does."""
    from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

    known = json.loads(client.get_logged_model(model_id).tags.get(MLFLOW_MODEL_VERSIONS, "[]"))
    if {"name": name, "version": number} in known:
        return
    known.append({"name": name, "version": number})
    client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(known)})
