"""The aliases `champion` and `challenger`: which versions have them, and why.

Both follow from the tags of the versions alone (`succession`), so processes that register or
promote at the same time reach the same answer without a lock, on any store. Each writes its version
first, then sets the aliases until they are what the tags say (`settle`). Whichever process reads
last has seen the tags of all.
"""

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from zoo.tracking.gates import not_worse

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
REASON_TAG = "champion.reason"  # why a version is or is not the champion
DECISION_TAG = "champion.decision"  # what a person decided about a version: JSON of `Decision`
VERDICT = "- **Champion** "  # the line of a version's description with that reason
MAX_DESCRIPTION = 5000  # of the registry
PAGE = 1000  # versions in one request
WRITE_ATTEMPTS = 5
PAUSE_SECONDS = 0.5  # after which a process that sets the aliases has set them


@dataclass(frozen=True)
class Decision:
    """A decision of a person, in the order in which versions and decisions came.

    Attributes:
        after: The latest version there was.
        order: The number of the decision among those after that version, from 1.
        kind: `"promote"`: it becomes the champion if it is not worse; `"force"`: whatever the
            champion is; `"rollback"`: because it was the champion before.
        reason: The person's reason.
    """

    after: int
    order: int
    kind: Literal["promote", "force", "rollback"]
    reason: str = ""

    def to_json(self) -> str:
        return json.dumps(self.__dict__, ensure_ascii=False)

    @classmethod
    def of(cls, version: "ModelVersion") -> "Decision | None":
        """The latest decision about a version, or `None`."""
        text = version.tags.get(DECISION_TAG)
        return cls(**json.loads(text)) if text else None


class _Event(NamedTuple):
    """A version that passed through its gate (`order` 0), or a decision."""

    after: int
    order: int
    number: int
    decision: Decision | None


@dataclass
class Succession:
    """The champions of a model, in order.

    Attributes:
        champions: Numbers of the versions that were champion one after another, the present last.
            A rollback takes the last ones away.
        challenger: The latest version that could not replace the champion, or `None`.
        reasons: Why each compared version is or is not the champion, by number.
    """

    champions: list[int] = field(default_factory=list)
    challenger: int | None = None
    reasons: dict[int, str] = field(default_factory=dict)

    @property
    def champion(self) -> int | None:
        """Number of the champion."""
        return self.champions[-1] if self.champions else None


def succession(versions: Iterable["ModelVersion"]) -> Succession:
    """Compares the versions of a model in the order in which they came.

    A version becomes the champion if its gate passed and the champion, measured by the same metric
    on the same data, is not better; or if a person has so decided. A champion of other data is not
    compared with, and stays. Versions without a gate are passed over.

    Args:
        versions: The versions, with their tags.
    """
    by_number = {int(version.version): version for version in versions}
    found = Succession()
    for event in sorted(_events(by_number)):
        version, decision, before = by_number[event.number], event.decision, found.champion
        if decision and decision.kind == "rollback":
            while found.champions and found.champion != event.number:
                left = found.champions.pop()
                found.reasons[left] = f"rolled back to version {event.number}{_why(decision)}"
            found.champions = found.champions or [event.number]
            found.reasons[event.number] = f"again, by a rollback{_why(decision)}"
            found.challenger = None
            continue
        is_better, reason = compare(version, by_number[before] if before else None)
        if decision and decision.kind == "force":
            is_better, reason = True, f"decided by hand{_why(decision)}"
        elif decision:
            reason = f"promoted{_why(decision)}: {reason}"
        if before == event.number:
            is_better = True
        found.reasons[event.number] = reason
        if not is_better:
            found.challenger = event.number
            continue
        if before and before != event.number:
            found.reasons[before] += f"; champion until version {event.number}"
        found.champions = [it for it in found.champions if it != event.number] + [event.number]
        found.challenger = None
    return found


def compare(version: "ModelVersion", champion: "ModelVersion | None") -> tuple[bool, str]:
    """Decides whether a version may replace the champion, and says why.

    Args:
        version: The version.
        champion: The champion; `None` if there is none.
    """
    ours, gate = version.tags, version.tags.get("gate", "none")
    if not gate.endswith("passed"):
        return False, f"gate not passed ({gate})"
    if champion is None:
        return True, f"first to pass the gate ({gate})"
    theirs, number = champion.tags, champion.version
    if theirs.get("dataset.digest") != ours.get("dataset.digest"):
        other, own = theirs.get("dataset", "unknown"), ours.get("dataset")
        return False, (
            f"the champion, version {number}, has other data "
            f"({other if other != own else f'other rows of {other}'}), and versions of "
            "different data are never compared: register under another name "
            "(tracking.register_as=…), or decide with `zoo registry promote --force`"
        )
    metric, mode = ours["gate.metric"], ours["gate.mode"]
    if (theirs.get("gate.metric"), theirs.get("gate.mode")) != (metric, mode):
        return False, (
            f"the champion, version {number}, was measured by another metric "
            f"({theirs.get('gate.metric')}): decide with `zoo registry promote --force`"
        )
    value, best = float(ours["gate.value"]), float(theirs["gate.value"])
    if math.isnan(best) or not_worse(value, best, mode):
        return True, f"not worse than version {number} ({metric} {value:.4g}, before {best:.4g})"
    return False, f"champion version {number} is better ({metric} {best:.4g}, here {value:.4g})"


def settle(client: "MlflowClient", name: str) -> Succession:
    """Sets the aliases of a model to what the tags of its versions say, and writes the reasons.

    Args:
        client: A client of the registry.
        name: Name of the registered model.
    """
    while True:  # until nobody has changed an alias since the versions were read
        aliases = aliases_of(client, name)
        versions = versions_of(client, name)
        found = succession(versions)
        wanted = {CHAMPION: found.champion, CHALLENGER: found.challenger}
        wrong = {alias: it for alias, it in wanted.items() if aliases.get(alias) != it}
        if not wrong:
            break
        for alias, number in wrong.items():
            if number is None:
                _write(client.delete_registered_model_alias, name, alias)
            else:
                _write(client.set_registered_model_alias, name, alias, str(number))
    for version in versions:
        reason = found.reasons.get(int(version.version))
        if reason and version.tags.get(REASON_TAG) != reason:
            _write_reason(client, name, version, reason)
    return found


def decide(client: "MlflowClient", name: str, number: int, kind: str, reason: str) -> Succession:
    """Records a decision about a version, and settles.

    Args:
        client: A client of the registry.
        name: Name of the registered model.
        number: The version.
        kind: The kind of `Decision`.
        reason: The person's reason, or `""`.
    """
    versions = versions_of(client, name)
    earlier = list(filter(None, map(Decision.of, versions)))
    # Not less than theirs: a version that was the last then may have been deleted since.
    after = max(*(int(version.version) for version in versions), *(it.after for it in earlier), 0)
    made = [it for it in earlier if it.after == after]
    order = 1 + max((it.order for it in made), default=0)
    decision = Decision(after, order, kind, reason)  # type: ignore[arg-type]
    # Until `settle` has written the reason again, no process takes the alias for a person's.
    _write(client.delete_model_version_tag, name, str(number), REASON_TAG)
    _write(client.set_model_version_tag, name, str(number), DECISION_TAG, decision.to_json())
    return settle(client, name)


def adopt(client: "MlflowClient", name: str) -> None:
    """Records as a decision where a person has moved the alias `champion` by other means.

    Args:
        client: A client of the registry.
        name: Name of the registered model.
    """
    if (moved := _moved_to(client, name)) is None:
        return
    time.sleep(PAUSE_SECONDS)
    if _moved_to(client, name) == moved:
        decide(client, name, moved, "force", "the alias was moved in the registry")


def aliases_of(client: "MlflowClient", name: str) -> dict[str, int]:
    """The versions that the aliases of a model point to."""
    aliases = client.get_registered_model(name).aliases
    return {alias: int(number) for alias, number in aliases.items()}


def versions_of(client: "MlflowClient", name: str) -> "list[ModelVersion]":
    """The versions of a model, the latest first."""
    quote = '"' if "'" in name else "'"
    found: list[ModelVersion] = []
    token = None
    while page := client.search_model_versions(
        f"name = {quote}{name}{quote}",
        max_results=PAGE,
        order_by=["version_number DESC"],
        page_token=token,
    ):
        found += page
        token = page.token
        if not token:
            break
    return found


def _events(versions: "dict[int, ModelVersion]") -> Iterator[_Event]:
    for number, version in versions.items():
        if "gate.value" in version.tags:
            yield _Event(number, 0, number, None)
        if decision := Decision.of(version):
            yield _Event(decision.after, decision.order, number, decision)


def _moved_to(client, name) -> int | None:
    """The version that the alias points to against the tags, while no process settles them."""
    at, versions = aliases_of(client, name).get(CHAMPION), versions_of(client, name)
    compared = [it.tags for it in versions if {"gate.value", DECISION_TAG} & it.tags.keys()]
    settled = all(REASON_TAG in tags for tags in compared)
    return at if settled and at not in (None, succession(versions).champion) else None


def _why(decision: Decision) -> str:
    return f" ({decision.reason})" if decision.reason else ""


def _write_reason(client, name, version, reason) -> None:
    """Writes the reason in the description of a version, and then as its tag."""
    lines = (version.description or "").splitlines()
    card = "\n".join(line for line in lines if not line.startswith(VERDICT))
    line = f"{VERDICT}{reason}"
    text = f"{card[: MAX_DESCRIPTION - len(line) - 1]}\n{line}"
    _write(client.update_model_version, name, str(version.version), text)
    _write(client.set_model_version_tag, name, str(version.version), REASON_TAG, reason)


def _write(method: Callable, *arguments) -> None:
    """Calls a method of the client, which may fail while another process writes the same row."""
    from mlflow.exceptions import MlflowException

    for attempt in range(WRITE_ATTEMPTS):
        try:
            method(*arguments)
            return
        except MlflowException:
            if attempt == WRITE_ATTEMPTS - 1:
                raise
            time.sleep(0.05 * 2**attempt)
