"""Contract of the table of tasks: every folder of `zoo.models` has a complete row."""

import dataclasses
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo import presets
from zoo.tasks import TASKS, task_of

pytestmark = pytest.mark.once

MODELS = Path(zoo.__file__).parent / "models"
SHARED = {"generation"}  # base classes of several tasks
# A user's file of each task, in the default columns, and the columns that `score` reads.
FILES = {
    "causal_lm": ("it.csv", "text\na dog\n", {"text"}),
    "image_to_text": ("it.csv", "image,caption\na.png,a dog\n", {"image", "captions"}),
    "seq2seq_lm": ("it.tsv", "source\ttarget\na dog\tein Hund\n", {"source", "target"}),
    "speech_to_text": ("it.csv", "audio,text\na.png,one two\n", {"audio", "text", "speaker"}),
    "text_classifier": ("it.csv", "text,label\na dog,good\n", {"text", "label"}),
    "token_classifier": ("it.conll", "a DET\ndog NOUN\n", {"tokens", "tags"}),
}
TYPES = {"long": int, "double": float, "string": str, "boolean": bool}
every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def test_every_folder_of_the_models_has_a_row():
    folders = {path.parent.name for path in MODELS.glob("*/task.py")}
    assert folders - SHARED == set(TASKS)
    assert all(name == task.name for name, task in TASKS.items())


@every_task
def test_model_is_importable_and_found_by_its_class(task):
    import keras

    model_class = pkgutil.resolve_name(task.model)
    assert model_class.__module__ == f"zoo.models.{task.name}.task"
    assert task_of(model_class) is task
    registered = keras.saving.get_registered_name(model_class)
    assert registered == f"zoo>{model_class.__name__}"
    assert all(hasattr(model_class, method) for method in ("infer", "score", "explain"))


def test_class_outside_the_table_has_no_task():
    class TextClassifier:
        pass

    assert task_of(TextClassifier) is None


@every_task
def test_preset_is_read_as_its_task(task, tmp_path):
    name = task.model.partition(":")[2]
    (tmp_path / "task.json").write_text(json.dumps({"registered_name": f"zoo>{name}"}))
    assert presets.read_task(tmp_path) is task


@every_task
def test_outputs_are_the_fields_of_an_answer(task):
    answer_class = pkgutil.resolve_name(task.answer)
    fields = [field.name for field in dataclasses.fields(answer_class)]
    assert list(task.outputs) == fields
    assert set(task.outputs.values()) <= {"string", "double", "long"}
    required = [field for field in fields if field not in task.optional_outputs]
    values = {"tokens": ["a"], "tags": ["DET"], "confidences": [0.5], "spans": [], "hypotheses": []}
    answer = answer_class(**{name: values.get(name, "a") for name in required})
    assert list(answer.to_dict()) == required
    assert set(task.plain) | set(task.plain_pairs or ()) <= set(fields)
    assert task.input_name not in fields


@every_task
def test_options_are_the_parameters_of_infer_with_their_defaults(task):
    parameters = inspect.signature(pkgutil.resolve_name(task.model).infer).parameters
    defaults = {
        name: parameter.default
        for name, parameter in parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    words = {name: "" if default == () else default for name, default in defaults.items()}
    assert {name: option.default for name, option in task.options.items()} == words
    for option in task.options.values():
        assert option.default is None or isinstance(option.default, TYPES[option.type])


@every_task
def test_options_of_score_are_its_parameters_with_their_defaults(task):
    parameters = inspect.signature(pkgutil.resolve_name(task.model).score).parameters
    for name, option in task.score_options.items():
        assert parameters[name].default == option.default
        assert option.default is None or type(option.default) is TYPES[option.type]


@every_task
def test_a_task_that_streams_has_a_method(task):
    assert hasattr(pkgutil.resolve_name(task.model), "stream") == task.streams


@every_task
def test_file_reader_reads_a_tiny_file(task, tmp_path):
    name, content, expected = FILES[task.name]
    file = tmp_path / name
    file.write_text(content)
    (tmp_path / "a.png").touch()
    read_file = pkgutil.resolve_name(task.read_file)
    columns = read_file(file)
    assert columns.keys() == expected
    chosen = [column for column in (task.input_column, task.target_column) if column]
    assert read_file(file, **{column.argument: column.default for column in chosen}) == columns


@every_task
def test_named_datasets_take_the_options_of_the_task(task):
    from zoo.data import registry

    datasets = [it for it in registry._DATASETS.values() if it.card.task == task.name]
    assert datasets
    options = set(task.language_options)
    if task.target_column and task.target_column.in_datasets:
        options.add(task.target_column.argument)
    accepted = [set(inspect.signature(it.load).parameters) for it in datasets]
    assert options <= set().union(*accepted)


@every_task
def test_published_models_have_the_headline_metric(task):
    cards = zoo.list_models(task.name)
    assert cards
    for card in cards:
        assert any(f"test/{metric}" in card.metrics for metric in task.headline)
    measured = {
        metric for card in cards for metric in task.headline if f"test/{metric}" in card.metrics
    }
    assert set(task.headline) <= measured


@every_task
def test_export_adapter_is_importable(task):
    if task.export_adapter is not None:
        adapter = pkgutil.resolve_name(task.export_adapter)
        for method in ("description", "sentences", "batch", "expected", "found"):
            assert callable(getattr(adapter, method))


@every_task
def test_signature_and_readme_use_the_row(task):
    from zoo.tracking import flavor

    signature = flavor.signature(task.name)
    assert signature.outputs.input_names() == list(task.outputs)
    assert [param.name for param in signature.params.params] == list(task.options)
    card = zoo.list_models(task.name)[0]
    assert f"pipeline_tag: {task.pipeline_tag}\n" in presets.readme(card)


def test_table_imports_only_the_standard_library():
    program = (
        "import sys; before = set(sys.modules); import zoo.tasks; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert set(found) - set(sys.stdlib_module_names) == {"zoo"}
