"""The search space of a sweep: `model.units=64,128,256`, `training.learning_rate=1e-4..1e-2`.

Imports no Optuna, so that a mistake is reported before anything slow starts.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from zoo.training.config import ConfigError, read_yaml

FIXED = ("data", "evaluation", "recipe", "seed", "tracking", "variants")  # by which trials compare
LOG_RATIO = 10  # a range of positive numbers whose ends differ by more is searched in logarithms
MAX_CHOICES = 1000
QUOTES = ("[", "{", '"', "'")  # with which a single value of YAML begins


@dataclass(frozen=True)
class Choices:
    """Some values of a key, written `a,b,c`.

    Attributes:
        key: The key of the recipe.
        values: Its values, as on the command line.
    """

    key: str
    values: tuple[str, ...]

    def ends(self) -> tuple[str, ...]:
        """The values that are checked before the sweep: all."""
        return self.values

    def __str__(self) -> str:
        return f"{self.key} {', '.join(self.values)}"


@dataclass(frozen=True)
class Range:
    """A range of numbers, written `low..high`.

    Attributes:
        key: The key of the recipe.
        low: The smallest value.
        high: The largest.
        is_integer: Whether the values are whole numbers.
    """

    key: str
    low: float
    high: float
    is_integer: bool

    @property
    def is_log(self) -> bool:
        """True if the logarithm of the value is drawn uniformly."""
        return self.low > 0 and self.high / self.low > LOG_RATIO

    def ends(self) -> tuple[str, ...]:
        """The values that are checked before the sweep: both ends."""
        return repr(self.low), repr(self.high)

    def __str__(self) -> str:
        kind = "whole numbers" if self.is_integer else "numbers"
        log = ", logarithmic" if self.is_log else ""
        return f"{self.key} {' to '.join(self.ends())} ({kind}{log})"


Dimension = Choices | Range


def parse(words: Sequence[str], source: str) -> tuple[list[Dimension], list[str]]:
    """Splits the changes of a command line into a search space and fixed changes.

    Args:
        words: `KEY=a,b,c` for choices, `KEY=low..high` for a range, `KEY=value` for a fixed change.
        source: Name of the recipe, for errors.

    Returns:
        The dimensions of the space, and the fixed changes.

    Raises:
        ConfigError: with every mistake.
    """
    space: list[Dimension] = []
    fixed, mistakes = [], []
    for word in words:
        key, equals, text = word.partition("=")
        key, text = key.strip(), text.strip()
        if not equals or not key:
            mistakes.append(f"a change is written KEY.SUB=VALUE. Received: {word!r}")
            continue
        try:
            dimension = _dimension(key, text)
        except ValueError as error:
            mistakes.append(f"{key}: {error} Received: {word!r}")
            continue
        if dimension is None:
            fixed.append(word)
        elif key.partition(".")[0] in FIXED:
            mistakes.append(
                f"{key}: trials must have this in common to be compared: give one value"
                f"{', or several seeds with --seeds' if key == 'seed' else ''}. Received: {word!r}"
            )
        else:
            space.append(dimension)
    given = [word.partition("=")[0].strip() for word in words]
    for dimension in space:
        if given.count(dimension.key) > 1:
            mistakes.append(f"{dimension.key}: give it once. Received: {' '.join(words)}")
    if not space and not mistakes:
        mistakes.append(
            "a sweep needs a key with several values, such as model.units=64,128 or "
            f"training.learning_rate=1e-4..1e-2. Received: {' '.join(fixed) or 'none'}"
        )
    if mistakes:
        raise ConfigError(source, mistakes)
    return space, fixed


def check(space: Sequence[Dimension], resolve: Callable[[Sequence[str]], Any], source: str) -> None:
    """Checks each value of the space by itself against the recipe.

    Combinations of valid values may still be invalid; such a trial fails.

    Args:
        space: The dimensions.
        resolve: Resolves the configuration with changes, and raises `ConfigError`.
        source: Name of the recipe, for errors.

    Raises:
        ConfigError: with every mistake.
    """
    resolve(())
    mistakes: list[str] = []
    for dimension in space:
        for value in dimension.ends():
            try:
                resolve([f"{dimension.key}={value}"])
            except ConfigError as error:
                own = [it for it in error.mistakes if it.startswith(f"{dimension.key}: ")]
                mistakes += [it for it in own if it not in mistakes]
                if own and "there is no such key" in own[0]:
                    break
    if mistakes:
        raise ConfigError(source, mistakes)


def suggest(space: Iterable[Dimension], trial: Any) -> list[str]:
    """The changes of one trial.

    Args:
        space: The dimensions.
        trial: An `optuna.Trial`, which chooses the values.
    """
    changes = []
    for it in space:
        value: Any
        if isinstance(it, Choices):
            value = trial.suggest_categorical(it.key, it.values)
        elif it.is_integer:
            value = trial.suggest_int(it.key, int(it.low), int(it.high), log=it.is_log)
        else:
            value = f"{trial.suggest_float(it.key, it.low, it.high, log=it.is_log):.4g}"
        changes.append(f"{it.key}={value}")
    return changes


def grid(space: Sequence[Dimension], limit: int) -> list[dict[str, str]]:
    """All combinations of a space, if there are at most `limit`; otherwise none.

    Args:
        space: The dimensions.
        limit: The number of trials.
    """
    if not all(isinstance(it, Choices) for it in space):
        return []
    combinations = itertools.product(*(it.ends() for it in space))
    found = list(itertools.islice(combinations, limit + 1))
    keys = [it.key for it in space]
    return [dict(zip(keys, it, strict=True)) for it in found] if len(found) <= limit else []


def to_json(space: Iterable[Dimension]) -> list[dict]:
    """The space as JSON, by which a sweep that goes on is compared with the earlier one."""
    return json.loads(json.dumps([asdict(it) for it in space]))


def _dimension(key: str, text: str) -> Dimension | None:
    """The dimension that a value describes, or `None` for a single value."""
    if text.startswith(QUOTES):
        return None
    if ".." in text:
        low, _, high = text.partition("..")
        ends = [_number(low), _number(high)]
        if None in ends or not ends[0] < ends[1]:  # type: ignore[operator]
            raise ValueError(
                "a range is written LOW..HIGH with two numbers, the smaller one first, such as "
                "1e-4..1e-2."
            )
        return Range(key, *ends, all(isinstance(end, int) for end in ends))  # type: ignore
    if "," not in text:
        return None
    values = tuple(value.strip() for value in text.split(","))
    if not all(values) or len(set(values)) < len(values) or len(values) > MAX_CHOICES:
        raise ValueError(
            "choices are different values with commas between, such as 64,128,256; a list is "
            "written in brackets."
        )
    return Choices(key, values)


def _number(text: str) -> int | float | None:
    """A number as in YAML, or `None`."""
    if not re.fullmatch(r"[-+0-9.eE_]+", text.strip()):
        return None
    try:
        value = read_yaml(text)
    except yaml.YAMLError:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else None  # type: ignore[return-value]
