"""Proposes a recipe that trains a model further on a user's files, with the reasons."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.choices import CELLS
from zoo.cli import recipe_files
from zoo.cli.columns import TEXTS, Column, Roles, longest, named_pair
from zoo.cli.errors import WrongUse, command
from zoo.cli.inspection import LANES, Proposal, Tagged, is_tagged, lanes_for, length_of
from zoo.cli.models import FoundModel
from zoo.cli.recipe_files import RecipeFile
from zoo.data import read_parallel, read_texts
from zoo.data.languages import guess_language
from zoo.data.tables import table_format
from zoo.data.text_files import is_text
from zoo.suggestions import did_you_mean
from zoo.tags import tagging_scheme

LEAST_ROWS = 20
FEW_ROWS, MANY_ROWS = 1000, 20_000
RATE = 0.25  # of the learning rate that the model was trained with, if it keeps its head
DEFAULT_RATE = 0.001  # where that is not known
# Settings of the recipe of the model that are kept.
TRAINING = ("optimizer", "weight_decay", "label_smoothing", "clip_norm")
TRAINING += ("flip", "doubly_stochastic", "speed", "noise", "coverage")
# Settings of its vocabulary, which is that of the model.
LEARNED = ("vocabulary_size", "least_count", "alphabet")
WITH_HEADS = ("text_classifier", "token_classifier")
UNEQUAL = 0.8  # share of the most frequent label from which accuracy says little


@dataclass(frozen=True)
class Tuning:
    """A recipe to train a model further.

    Attributes:
        file: The recipe file that the model was trained with, or the quickstart of its task.
        proposal: The recipe.
        notes: What the user should know before it runs.
    """

    file: RecipeFile
    proposal: Proposal
    notes: list[str]


@dataclass(frozen=True)
class Data:
    """Findings in the files.

    Attributes:
        seen: In words.
        rows: The number of rows; of a language model the number of characters.
        keys: The keys of `data` that name columns, with the reasons.
        texts: Texts, whose language is that of the model.
        labels: The labels with their counts; empty for other tasks.
    """

    seen: str
    rows: int
    keys: dict[str, tuple[str, str]]
    texts: list[str]
    labels: Counter[str]


def propose(model: FoundModel, files: Sequence[Path], name: str, given: dict[str, Any]) -> Tuning:
    """Proposes a recipe.

    Args:
        model: The model.
        files: A file, or the two text files of a translation.
        name: Name of the tuned model.
        given: The values of keys that the user states, such as `data.text`.

    Raises:
        WrongUse: if the files are not of the model's task, or too small.
        FileNotFoundError: if there is no such file.
        ValueError: if a file is not in a format of `zoo.data`.
    """
    file, base = _recipe_of(model)
    task = model.task.name
    if len(files) > (2 if task == "seq2seq_lm" else 1):
        raise _wrong_files(model, files)
    data = _READERS[task](model, files, given)
    least = 10 * LEAST_ROWS if task == "causal_lm" else LEAST_ROWS
    known = labels_of(model)
    new = [label for label in data.labels if label not in known]
    if data.rows < least:
        columns = [it for key in ("text", "label") if key in data.keys
                   for it in (f"--{key}", data.keys[key][0])]  # fmt: skip
        measure = command("zoo", "eval", model.source, "--dataset", files[0], *columns)
        raise WrongUse(
            f"Too few {'characters' if task == 'causal_lm' else 'rows'}: at least {least} are "
            f"needed to train on and to measure. Received: {data.seen}",
            hint=None if new else measure,
        )
    train = [str(path) for path in files]
    found = Proposal(file.recipe, data.seen, f"{model.source} is a {task}", rows=data.rows)
    found.add("data", "train", train if len(train) > 1 else train[0])
    for key, (value, reason) in data.keys.items():
        found.add("data", key, value, reason)
    if "data.dev" not in given:
        share = 0.2 if data.rows < FEW_ROWS and task != "causal_lm" else 0.1
        found.add("data", "dev_fraction", share, "held out of train, to measure both models")
    if (longer := _longer(model, data.texts)) is not None:
        found.add("model", "sequence_length", *longer)
    for key, value in base.get("tokenizer", {}).items():
        if key not in LEARNED:
            found.add("tokenizer", key, value)
    if task == "token_classifier" and tagging_scheme(data.labels) != tagging_scheme(known):
        new = sorted(data.labels)
    _add_training(found, model, base, bool(new), given)
    notes = _add_evaluation(found, model, data, new)
    found.add("tracking", "name", name)
    language = guess_language(data.texts)
    languages = model.card.languages if model.card else ()
    if language and languages and language not in languages:
        notes.append(
            f"the texts look like {language}, and {model.source} knows {', '.join(languages)}: it "
            "may be better to start from scratch with `zoo init`"
        )
    return Tuning(file, found, notes)


def _recipe_of(model: FoundModel) -> tuple[RecipeFile, dict[str, Any]]:
    """The recipe file of a model, with its content; without content if it is not installed."""
    files = recipe_files.installed()
    label = model.card.recipe if model.card else ""
    for file in files:
        if file.full_name == label:
            return file, recipe_files.read(file.path)
    task, purpose = model.task.name, (model.config("task.json") or {}).get("purpose")
    found = [
        file
        for file in files
        if file.path.stem == recipe_files.DEFAULT
        and file.entry_point.load().Config.model_fields["data"].annotation.task == task
    ]
    if not found:
        raise WrongUse(f"No recipe trains a {task}. Received: {model.source}", hint="zoo recipes")
    return next((file for file in found if file.recipe == purpose), found[0]), {}


def _longer(model: FoundModel, texts: list[str]) -> tuple[int, str] | None:
    """The length of the texts in tokens, with the reason, if a classifier cuts many of them off.

    A recurrent encoder can read longer texts than those that it was trained on.
    """
    encoder = (model.config("config.json") or {}).get("encoder")
    known = (model.config("preprocessor.json") or {}).get("sequence_length")
    needed = length_of(texts, guess_language(texts))
    if model.task.name != "text_classifier" or encoder not in CELLS or not known:
        return None
    return (needed, f"for texts longer than {known} tokens") if needed > known else None


def _add_training(
    found: Proposal,
    model: FoundModel,
    recipe: dict[str, Any],
    has_new_head: bool,
    given: dict[str, Any],
) -> None:
    base = recipe.get("training", {})
    is_last_stage = isinstance(base.get("init_from"), str)  # of several, at a lower rate
    has_rate = "learning_rate" in base and not is_last_stage
    rate = base["learning_rate"] if has_rate else DEFAULT_RATE
    epochs = 20 if found.rows < FEW_ROWS else 10 if found.rows < MANY_ROWS else 3
    batch, why = base.get("batch_size", 64), ""
    if model.task.name == "causal_lm":
        epochs = 10
        is_of_characters = recipe.get("tokenizer", {}).get("level") == "characters"
        tokens = found.rows if is_of_characters else found.rows // 4
        batch, why = min(batch, lanes_for(tokens)), LANES
    elif found.rows < MANY_ROWS:
        batch, why = min(batch, 16 if found.rows < FEW_ROWS else 32), "small, for few rows"
    found.add("training", "init_from", model.source)
    for key in TRAINING:
        if key in base:
            found.add("training", key, base[key])
    if isinstance(stated := given.get("training.epochs"), int):
        epochs = stated
    found.add("training", "epochs", epochs, "at most")
    layers = (model.config("config.json") or {}).get("num_layers")
    is_partial = given.get("training.trainable_layers") is not None
    if model.task.name in WITH_HEADS and layers and epochs > layers + 1 and not is_partial:
        found.add("training", "gradual_unfreezing", 1, "first the head, then a layer more an epoch")
    found.add("training", "patience", 5, "epochs without a better dev score before it stops")
    found.add("training", "batch_size", batch, why)
    if has_new_head:
        found.add("training", "learning_rate", rate, "for the new head")
    else:
        known = f"a quarter of {rate:g}, of its training" if has_rate else "small"
        found.add("training", "learning_rate", rate * RATE, known)
    found.add("training", "schedule", "cosine", "down to 0")


def _add_evaluation(found: Proposal, model: FoundModel, data: Data, new: list[str]) -> list[str]:
    """Metric and gate; returns notes on labels that are new."""
    task, share = model.task.name, 0.0
    if data.labels:
        share = max(data.labels.values()) / data.labels.total()
    if task == "text_classifier":
        metric = "accuracy" if share < UNEQUAL else "macro_f1"
        found.add("evaluation", "metric", metric, f"the most frequent label has {share:.0%}")
    if not new:
        why = f"registered only if better than {model.source} on dev"
        found.add("evaluation", "beat_initial", True, why)
        return []
    gate = "Set evaluation.gate=… to the score from which it is registered"
    if share < UNEQUAL and (task == "text_classifier" or tagging_scheme(data.labels) is None):
        gate = "It is registered if it beats the most frequent label"
        found.add("evaluation", "gate", round(share + 0.01, 2), "more than the most frequent label")
    return [
        f"new labels, which give it a new head: {_listed(new)}; {model.source} has "
        f"{_listed(labels_of(model))}, and cannot be compared. {gate}"
    ]


def labels_of(model: FoundModel) -> list[str]:
    """The labels or tags of a model."""
    config = model.config("task.json") or {}
    return config.get("labels") or config.get("tags") or []


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


# What each task reads


def _labelled(model: FoundModel, files: Sequence[Path], given: dict[str, Any]) -> Data:
    roles = _table(model, files)
    known = set(labels_of(model))
    own = [it for it in roles.columns if known >= {value.strip() for value in it.values}]
    label = _stated(roles, given, "label") or next(iter(own), None) or roles.label
    rest = [column for column in roles.texts if column is not label]
    text = _stated(roles, given, "text") or longest(rest, TEXTS)
    if text is None or label is None:
        raise _no_columns(model, files, roles, "of texts and one of labels (few different ones)")
    if len(label.counts) < 2:
        raise WrongUse(
            f"All rows have the label {next(iter(label.counts))!r}: at least two are needed. Is "
            f"{label.name} the column of labels? Received: {roles}",
            hint=command("zoo", "tune", model.source, *files, "data.label=…"),
        )
    keys = {"text": (text.name, ""), "label": (label.name, _listed(label.counts))}
    return Data(str(roles), len(label.values), keys, text.values, label.counts)


def _pairs(model: FoundModel, files: Sequence[Path], given: dict[str, Any]) -> Data:
    if len(files) == 2:
        columns = read_parallel([str(file) for file in files])
        rows = len(columns["source"])
        return Data(f"{rows:,} pairs of lines", rows, {}, columns["source"], Counter())
    roles = _table(model, files)
    texts = [column for column in roles.columns if column in (*roles.texts, *roles.labels)]
    pair = named_pair(texts) or roles.texts[:2]
    source = _stated(roles, given, "source") or next(iter(pair), None)
    target = _stated(roles, given, "target") or next(iter(pair[1:]), None)
    if source is None or target is None or source is target:
        raise _no_columns(model, files, roles, "to read and one to write")
    keys = {"source": (source.name, "to read"), "target": (target.name, "to write")}
    return Data(str(roles), len(source.values), keys, source.values, Counter())


def _captioned(model: FoundModel, files: Sequence[Path], given: dict[str, Any]) -> Data:
    roles = _table(model, files)
    image = _stated(roles, given, "image") or next(iter(roles.images), None)
    caption = _stated(roles, given, "caption") or roles.caption
    if image is None or caption is None:
        raise _no_columns(model, files, roles, "of image files and one of captions")
    keys = {"image": (image.name, f"such as {image.values[0]}"), "caption": (caption.name, "")}
    return Data(str(roles), len(image.values), keys, caption.values, Counter())


def _spoken(model: FoundModel, files: Sequence[Path], given: dict[str, Any]) -> Data:
    roles = _table(model, files)
    audio = _stated(roles, given, "audio") or next(iter(roles.audio), None)
    text = _stated(roles, given, "text") or roles.transcript
    if audio is None or text is None:
        raise _no_columns(model, files, roles, "of recordings and one of transcripts")
    keys = {"audio": (audio.name, f"such as {audio.values[0]}"), "text": (text.name, "")}
    if speaker := roles.speaker:
        keys["speaker"] = (speaker.name, f"{len(speaker.counts)} speakers")
    return Data(str(roles), len(audio.values), keys, text.values, Counter())


def _tagged(model: FoundModel, files: Sequence[Path], given: dict[str, Any]) -> Data:
    if not is_tagged(files[0]):
        raise _wrong_files(model, files)
    tagged = Tagged.read(files[0], given.get("data.column", "upos"))
    return Data(str(tagged), len(tagged.texts), {}, tagged.texts, tagged.tags)


def _texts(model: FoundModel, files: Sequence[Path], given: dict[str, Any]) -> Data:
    file = files[0]
    if is_tagged(file) or not (table_format(file) or file.is_dir() or is_text(file)):
        raise _wrong_files(model, files)
    keys, column = {}, given.get("data.text", "text")
    if table_format(file):
        roles = Roles.of(file)
        if (text := _stated(roles, given, "text") or roles.text) is None:
            raise _no_columns(model, files, roles, "of texts")
        keys, column = {"text": (text.name, "")}, text.name
    texts = read_texts(file, column)["text"]
    size = sum(map(len, texts))
    return Data(f"{len(texts):,} texts of {size:,} characters", size, keys, texts, Counter())


_READERS = {
    "text_classifier": _labelled,
    "seq2seq_lm": _pairs,
    "image_to_text": _captioned,
    "speech_to_text": _spoken,
    "token_classifier": _tagged,
    "causal_lm": _texts,
}
_NEEDS = {
    "text_classifier": "a table with a text and its label in each row",
    "seq2seq_lm": "a table with a source and a target in each row, or two text files",
    "image_to_text": "a table with an image file and its caption in each row",
    "speech_to_text": "a table with a recording and its transcript in each row",
    "token_classifier": "a tagged file (.conllu, .conll, or a word and its tag in each line)",
    "causal_lm": "a text file, a folder of them, or a table of texts",
}


def _table(model: FoundModel, files: Sequence[Path]) -> Roles:
    (file, *others) = files
    if others or not table_format(file) or is_tagged(file):
        raise _wrong_files(model, files)
    return Roles.of(file)


def _stated(roles: Roles, given: dict[str, Any], key: str) -> Column | None:
    """The column that the user names with `data.KEY`."""
    if (name := given.get(f"data.{key}")) is None:
        return None
    names = [column.name for column in roles.columns]
    if name not in names:
        raise WrongUse(
            f"data.{key} must name a column.{did_you_mean(str(name), names)} "
            f"Received: {name!r} of {', '.join(names)}"
        )
    return roles.columns[names.index(name)]


def _wrong_files(model: FoundModel, files: Sequence[Path]) -> WrongUse:
    for file in files:
        if not file.exists():
            return WrongUse(f"There is no such file. Received: {file}", hint="zoo tune --help")
    task = model.task.name
    return WrongUse(
        f"{model.source} is a {task}, which is trained on {_NEEDS[task]}. "
        f"Received: {', '.join(map(str, files))}",
        hint=command("zoo", "init", *files),
    )


def _no_columns(model: FoundModel, files: Sequence[Path], roles: Roles, needed: str) -> WrongUse:
    task = model.task
    keys = [f"data.{it.argument}=…" for it in (task.input_column, task.target_column) if it]
    return WrongUse(
        f"{model.source} is a {task.name}, which needs a column {needed}: name them. "
        f"Received: {roles}",
        hint=command("zoo", "tune", model.source, *files, *keys),
    )
