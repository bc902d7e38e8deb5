"""Recipe files: validation, overrides, suggestions."""

import subprocess
import sys

import pytest

from recipes.sentiment.schema import SentimentConfig
from zoo.training.config import ConfigError, load, read_yaml, resolve

pytestmark = pytest.mark.once

DATA = {"data": {"name": "generated_reviews"}}


def mistakes(values, *overrides):
    with pytest.raises(ConfigError) as raised:
        resolve(SentimentConfig, values, overrides, source="sentiment/test")
    return raised.value.mistakes


def resolved(*overrides, **values):
    return resolve(SentimentConfig, DATA | values, overrides, source="sentiment/test")


def test_missing_keys_have_defaults():
    config = resolved()
    assert config.training.epochs == 10 and config.model.pooling == "bahdanau"
    assert config.evaluation.metric is None and config.evaluation.mode == "max"


def test_overrides_are_yaml_split_at_the_first_equals_sign():
    config = resolved(
        "training.learning_rate=1e-3",
        "training.epochs = 3",
        "training.patience=null",
        "model.bidirectional=false",
        "description=a=b, c",
        "data={name: null, train: x.csv}",
        "data.label=verdict",
    )
    assert config.training.learning_rate == 0.001
    assert config.training.epochs == 3 and config.training.patience is None
    assert config.model.bidirectional is False
    assert config.description == "a=b, c"
    assert config.data.train == "x.csv" and config.data.label == "verdict"


def test_int_is_accepted_as_float():
    assert resolved("training.learning_rate=1").training.learning_rate == 1.0


def test_resolve_does_not_modify_its_input():
    values = {"data": {"name": "sst2"}}
    resolve(SentimentConfig, values, ["data.name=imdb", "model.units=7"], source="x")
    assert values == {"data": {"name": "sst2"}}


def test_all_mistakes_are_in_one_message():
    values = DATA | {
        "modell": {},
        "units": 3,
        "training": {"epoch": 3, "batch_size": "many", "optimizer": "adamv"},
        "model": {"encoder": "transformer", "units": 64, "embedding_dim": 32, "num_layers": 0},
    }
    with pytest.raises(ConfigError) as raised:
        resolve(SentimentConfig, values, ["seed", "model.dropout=[", "x.y=1"], source="a/b")
    assert str(raised.value).splitlines() == [
        "The recipe a/b has 10 mistakes:",
        "  an override is written KEY.SUB=VALUE. Received: 'seed'",
        "  model.dropout: the value is not valid YAML: while parsing a flow node expected the node "
        "content, but found '<stream end>' in \"<unicode string>\", line 1, column 2: [ ^. "
        "Received: '['",
        "  training.batch_size: must be a whole number. Received: 'many'",
        "  training.optimizer: must be one of adamw, adam, sgd. Did you mean adam or adamw? "
        "Received: 'adamv'",
        "  training.epoch: there is no such key. Did you mean training.epochs? Received: 3",
        "  model.num_layers: must be at least 1. Received: 0",
        "  modell: there is no such key. Did you mean model? Received: {}",
        "  units: there is no such key. Did you mean model.units? Received: 3",
        "  x: there is no such key. Received: {'y': 1}",
        "  model: a Transformer needs units equal to embedding_dim. "
        "Received: encoder='transformer', units=64, embedding_dim=32",
    ]
    assert raised.value.exit_code == 2 and raised.value.hint == "zoo recipes a/b"


@pytest.mark.parametrize(
    "override, mistake",
    [
        ("training.epochs=true", "training.epochs: must be a whole number. Received: True"),
        ("training.epochs=2.0", "training.epochs: must be a whole number. Received: 2.0"),
        (
            "training.clip_norm=high",
            "training.clip_norm: must be a number or null. Received: 'high'",
        ),
        ("training.beta_2=1", "training.beta_2: must be less than 1. Received: 1"),
        ("training.learning_rate=.nan", "training.learning_rate: must be a finite number. "),
        ("training.learning_rate=0", "training.learning_rate: must be more than 0. Received: 0"),
        ("training.label_smoothing=1", "training.label_smoothing: must be less than 1. "),
        ("training.buckets=7", "training.buckets: must be at most 6. Received: 7"),
        ("model.bidirectional=yes please", "model.bidirectional: must be true or false. "),
        ("training=3", "training: must be a section, keys with values. Received: 3"),
        ("seed.x=1", "seed: must be a whole number. Received: {'x': 1}"),
        ("data.options=[1]", "data.options: must be keys with values. Received: [1]"),
        ("data.options={train: much}", "data.options: must be a whole number. Received: 'much'"),
        ("description=7", "description: must be a string. Received: 7"),
        (
            "training.teacher=[]",
            "training.teacher: must be a string, a list of one or more strings or null. ",
        ),
        ("training.epochs=[]", "training.epochs: must be a whole number. Received: []"),
        (
            "model.pooling=bahdanow",
            "model.pooling: must be one of last, max, mean, concat, bahdanau, ",
        ),
        (
            "tracking.register_as=a/b",
            "tracking.register_as: string should match pattern '^[^/:]+$'. Received: 'a/b'",
        ),
    ],
)
def test_message_of_a_mistake(override, mistake):
    (found,) = mistakes(DATA, override)
    assert found.startswith(mistake)


def test_an_unknown_name_gets_a_suggestion():
    (found,) = mistakes(DATA, "model.pooling=bahdanow")
    assert found.endswith(". Did you mean bahdanau? Received: 'bahdanow'")


@pytest.mark.parametrize(
    "overrides, mistake",
    [
        (
            ["model.pooling=multi_head", "model.units=31"],
            "model: the size of the states, here 62, must be divisible by num_heads. "
            "Received: units=31, num_heads=4",
        ),
        (
            ["model.encoder=transformer", "model.bidirectional=false"],
            "model: a Transformer encoder is always bidirectional: leave bidirectional true. "
            "Received: encoder='transformer', bidirectional=False",
        ),
        (
            ["training.optimizer=adam", "training.weight_decay=0.1"],
            "training: adam has no decoupled weight decay: set optimizer adamw, or weight_decay 0. "
            "Received: optimizer='adam', weight_decay=0.1",
        ),
        (
            ["data.name=null"],
            "data: give either the name of a dataset or a file to train on, and set the other "
            "null. Received: name=None, train=None",
        ),
        (
            ["data.name=sst"],
            "data: name must be one of generated_reviews, imdb, nsmc, nsmc_mini, sst2; did you "
            "mean sst2. Received: name='sst'",
        ),
        (
            ["data.dev=mine.csv"],
            "data: a named dataset defines its splits: leave out dev and test. "
            "Received: name='generated_reviews', dev='mine.csv', test=None",
        ),
        (
            ["data.name=null", "data.train=a.csv", "data.options.seed=1"],
            "data: only a named dataset has options: leave out options. "
            "Received: train='a.csv', options={'seed': 1}",
        ),
    ],
)
def test_invalid_combinations(overrides, mistake):
    assert mistakes(DATA, *overrides) == [mistake]


def test_combinations_with_an_invalid_key_are_not_checked():
    found = mistakes(DATA, "model.encoder=transformer", "model.embedding_dim=x", "model.units=64")
    assert found == ["model.embedding_dim: must be a whole number. Received: 'x'"]


def test_resolve_is_idempotent():
    config = resolved("training.epochs=3", "data.options.train=100")
    again = resolve(SentimentConfig, config.model_dump(), source="x")
    assert again == config


@pytest.mark.parametrize(
    "text, mistake",
    [
        ("a: [", "the file is not valid YAML: while parsing"),
        ("seed: 1\nseed: 2", "the file is not valid YAML: the key 'seed' is given twice"),
        ("- 1", "a recipe file must hold keys with values. Received: [1]"),
    ],
)
def test_invalid_file(tmp_path, text, mistake):
    file = tmp_path / "r.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(SentimentConfig, file)
    assert raised.value.mistakes[0].startswith(mistake)


def test_file_that_is_not_utf_8(tmp_path):
    file = tmp_path / "r.yaml"
    file.write_bytes(b"description: caf\xe9")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load(SentimentConfig, file)


@pytest.mark.parametrize(
    "text, value",
    [("1e-3", 0.001), ("2E5", 2e5), ("-1.5e+3", -1500.0), ("1e", "1e"), ("e3", "e3"), ("12", 12)],
)
def test_numbers_with_exponents(text, value):
    assert read_yaml(text) == value and type(read_yaml(text)) is type(value)


def test_mistakes_are_reported_before_heavy_imports():
    code = (
        "import sys\n"
        "from recipes.sentiment import RECIPE\n"
        "from zoo.training import run\n"
        "try: run(RECIPE, 'quickstart', ['model.unit=3'])\n"
        "except ValueError as error: print(error)\n"
        "heavy = {'jax', 'keras', 'keras_hub', 'mlflow', 'tensorflow', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "The recipe sentiment/quickstart has a mistake:",
        "  model.unit: there is no such key. Did you mean model.units? Received: 3",
        "[]",
    ]


def test_settings_that_were_chosen_for_a_model_to_start_from_stay_with_another():
    file = {"model": {"sequence_length": 400, "units": 7}}
    other = "training.init_from=lstm_nsmc_ko"
    fresh = resolved(other, "model.units=9", **file).model
    assert (fresh.sequence_length, fresh.units) == (128, 9)  # that of the model takes its place
    started = resolved(other, training={"init_from": "lstm_wikitext2_en"}, **file)
    assert started.training.init_from == "lstm_nsmc_ko"
    assert (started.model.sequence_length, started.model.units) == (400, 7)
