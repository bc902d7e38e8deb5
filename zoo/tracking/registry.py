"""Model registry: versions, quality gates, and the alias `champion`."""

import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.suggestions import did_you_mean

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from zoo.presets import Card

CHAMPION = "champion"
REASON_TAG = "champion.reason"  # set when a version has been compared with the champion
PATIENCE_SECONDS = 30  # for an earlier version whose registration does not end
POLL_SECONDS = (0.02, 0.5)  # the first wait, which then doubles, and the longest
CREATE_ATTEMPTS = 10
RECENT = 100  # versions, among which those are sought that are being registered


@dataclass(frozen=True)
class GateResult:
    """Result of a gate.

    Attributes:
        metric: Name of the metric.
        value: Its value on the dev split.
        threshold: The required value.
        mode: `"max"` if greater is better, `"min"` if less is.
        passed: Whether the value reaches the threshold. NaN never passes.
    """

    metric: str
    value: float
    threshold: float
    mode: Literal["max", "min"]
    passed: bool

    def __str__(self) -> str:
        sign = "≥" if self.mode == "max" else "≤"
        verdict = "passed" if self.passed else "failed"
        return f"{self.metric} {self.value:.4g} {sign} {self.threshold:.4g}: {verdict}"


@dataclass(frozen=True)
class Gate:
    """Threshold that a model must reach to become the champion.

    Args:
        metric: Name of a metric of the model's `score`.
        threshold: The required value.
        mode: `"max"` if greater is better, `"min"` if less is. Defaults to `"max"`.

    Raises:
        ValueError: if `mode` is neither.
    """

    metric: str
    threshold: float
    mode: Literal["max", "min"] = "max"

    def __post_init__(self):
        if self.mode not in ("max", "min"):
            raise ValueError(
                f"The mode of a gate is 'max' (greater is better) or 'min'. Received: {self.mode!r}"
            )

    def check(self, metrics: dict[str, float]) -> GateResult:
        """Compares measured metrics with the threshold.

        Args:
            metrics: The metrics of the dev split.

        Raises:
            ValueError: if the gate's metric is not among them.
        """
        if self.metric not in metrics:
            raise ValueError(
                f"The gate's metric was not measured. Measured metrics: {sorted(metrics)}."
                f"{did_you_mean(self.metric, metrics)} Received: metric={self.metric!r}"
            )
        value = float(metrics[self.metric])
        passed = _not_worse(value, self.threshold, self.mode)
        return GateResult(self.metric, value, self.threshold, self.mode, passed)


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
    by the same metric on the same data, is not better. A champion of other data is not compared
    with, and keeps the alias.

    Versions that are registered at the same time are compared one after another, in the order of
    their numbers, which the registry assigns atomically: each waits until the earlier ones have
    been compared. One that does not get there, because its process died, is waited for 30 seconds
    and then passed over. A logged model that is registered already, as when a run is resumed, keeps
    its version.

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
        ValueError: if the name is empty or contains `/` or `:`.
    """
    if not name or set(name) & set("/:"):
        raise ValueError(
            "The name of a registered model must not contain '/' or ':'; use '_' instead. "
            f"Received: name={name!r}"
        )
    _create_model(client, name, card)
    model_id = model_uri.rpartition("/")[2]
    version = _version_of(client, name, model_uri)
    if version is None:
        tags = {
            "task": card.task,
            "dataset": card.dataset,
            "dataset.digest": dataset_digest,
            "gate": str(gate),
            "gate.metric": gate.metric,
            "gate.mode": gate.mode,
            "gate.value": repr(gate.value),
        }
        version = _create_version(
            client,
            name,
            source=model_uri,
            run_id=run_id,
            model_id=model_id,
            description=describe(card, gate),
            tags=tags,
        )
    number = int(version.version)  # an int or a string, depending on the store
    if (reason := version.tags.get(REASON_TAG)) is None:
        _wait_for_earlier(client, name, number)
        champion = _champion(client, name)
        if champion is not None and int(champion.version) == number:
            reason = "set by a process that was then killed"
        else:
            is_better, reason = _compare(gate, card.dataset, dataset_digest, champion)
            if is_better:
                client.set_registered_model_alias(name, CHAMPION, str(number))
        client.set_model_version_tag(name, str(number), REASON_TAG, reason)
    _link(client, model_id, name, str(number))
    champion = _champion(client, name)
    is_champion = champion is not None and int(champion.version) == number
    return Registered(name, number, is_champion, reason)


def describe(card: "Card", gate: GateResult) -> str:
    """The card as Markdown, truncated to the limit of the registry."""
    languages = f" ({', '.join(card.languages)})" if card.languages else ""
    metrics = ", ".join(f"{name} **{value:.4g}**" for name, value in card.metrics.items())
    lines = [
        card.description,
        "",
        f"- **Task** {card.task}; **data** {card.dataset}{languages}",
        f"- **Measured** {metrics}",
        f"- **Gate** (dev) {gate}",
        f"- **Size** {card.parameters:,} parameters, {card.bytes / 2**20:.1f} MiB",
        f"- **Licence** {card.licence}",
        f"- **Recipe** `{card.recipe}`",
        f"- **sha256** `{card.sha256}`",
    ]
    return "\n".join(lines)[:5000]


def _create_model(client, name, card):
    from mlflow.exceptions import MlflowException

    tags = {"task": card.task, "languages": ", ".join(card.languages)}
    try:
        client.create_registered_model(name, tags=tags, description=card.description[:5000])
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


def _recent_versions(client, name) -> list:
    """The latest versions of a model, the latest first."""
    quote = '"' if "'" in name else "'"
    return client.search_model_versions(
        f"name = {quote}{name}{quote}", max_results=RECENT, order_by=["version_number DESC"]
    )


def _version_of(client, name, model_uri):
    """The version of a logged model, or `None`."""
    versions = (it for it in _recent_versions(client, name) if it.source == model_uri)
    return next(versions, None)


def _wait_for_earlier(client, name, number) -> None:
    """Waits until every version before `number` has been compared with the champion.

    Versions that have no `gate.value` were not registered by `register`.
    """
    wait, longest = POLL_SECONDS
    last, deadline = None, 0.0
    while waiting := [
        it.version
        for it in _recent_versions(client, name)
        if int(it.version) < number and "gate.value" in it.tags and REASON_TAG not in it.tags
    ]:
        if waiting != last:  # somebody was compared meanwhile
            last, deadline = waiting, time.monotonic() + PATIENCE_SECONDS
        if time.monotonic() > deadline:
            for it in waiting:
                reason = "not compared: its registration did not end"
                client.set_model_version_tag(name, str(it), REASON_TAG, reason)
            return
        time.sleep(wait)
        wait = min(2 * wait, longest)


def _link(client, model_id, name, number):
    """Links the logged model to its version in the UI, as `mlflow.register_model` does."""
    from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

    known = json.loads(client.get_logged_model(model_id).tags.get(MLFLOW_MODEL_VERSIONS, "[]"))
    if {"name": name, "version": number} in known:
        return
    known.append({"name": name, "version": number})
    client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(known)})


def _champion(client, name):
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None


def _compare(gate: GateResult, dataset: str, dataset_digest: str, champion) -> tuple[bool, str]:
    if not gate.passed:
        return False, f"gate not passed ({gate})"
    if champion is None:
        return True, f"first to pass the gate ({gate})"
    theirs = champion.tags
    if theirs.get("dataset.digest") != dataset_digest:
        other = theirs.get("dataset", "unknown")
        return False, (
            f"the champion, version {champion.version}, has other data "
            f"({other if other != dataset else f'other rows of {other}'}), and versions of "
            "different data are never compared: register under another name "
            "(tracking.register_as=…), or move the alias in the registry manually"
        )
    if (theirs.get("gate.metric"), theirs.get("gate.mode")) != (gate.metric, gate.mode):
        return False, (
            f"the champion, version {champion.version}, was measured by another metric "
            f"({theirs.get('gate.metric')}): compare them, and move the alias in the registry "
            "manually"
        )
    value = float(theirs["gate.value"])
    if not _not_worse(gate.value, value, gate.mode):
        return False, f"champion version {champion.version} is better ({value:.4g})"
    return True, f"not worse than version {champion.version} ({value:.4g})"


def _not_worse(value: float, other: float, mode: str) -> bool:
    if math.isnan(value):
        return False
    return value >= other if mode == "max" else value <= other
