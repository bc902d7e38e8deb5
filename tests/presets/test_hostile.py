"""Presets that claim far more than they hold, or are not what they say, are refused early."""

import json
import shutil

import h5py
import numpy as np
import pytest

import zoo
from zoo.presets import PresetError, resolve
from zoo.presets.card import digest_of
from zoo.presets.validation import hash_files
from zoo.presets.weights import Stored, check_sizes

pytestmark = pytest.mark.once


def config(**changes):
    """Changes the backbone's configuration, wherever it is stored."""

    def change(directory):
        for name in ("config.json", "task.json"):
            content = json.loads((directory / name).read_text())
            backbone = content if name == "config.json" else content["config"]["backbone"]
            backbone["config"].update(changes)
            (directory / name).write_text(json.dumps(content))

    return change


def task(**changes):
    def change(directory):
        content = json.loads((directory / "task.json").read_text())
        content["config"].update(changes)
        (directory / "task.json").write_text(json.dumps(content))

    return change


def preprocessor(**changes):
    def change(directory):
        content = json.loads((directory / "preprocessor.json").read_text())
        content["config"].update(changes)
        (directory / "preprocessor.json").write_text(json.dumps(content))

    return change


def card(**changes):
    def change(directory):
        content = json.loads((directory / "card.json").read_text())
        (directory / "card.json").write_text(json.dumps(content | changes))

    return change


def an_object(class_name, package="keras_hub", **values):
    registered = f"{package}>{class_name}"
    return {"class_name": class_name, "registered_name": registered, "config": values}


def bert(class_name="BertBackbone", **changes):
    """A serialised encoder of KerasHub."""
    sizes = {"vocabulary_size": 300, "num_layers": 2, "num_heads": 2, "hidden_dim": 8}
    return an_object(class_name, **{**sizes, "intermediate_dim": 8, **changes})


def language_model(**changes):
    return an_object("CausalLMBackbone", "zoo", vocabulary_size=300, units=8, **changes)


def weights(write):
    def change(directory):
        with h5py.File(directory / "model.weights.h5", "a") as file:
            write(file)

    return change


def zeros(file):
    """A gigabyte of zeros in a megabyte."""
    options = {"compression": "gzip", "chunks": (1 << 20,), "dtype": "float16"}
    file.create_dataset("zeros", (1 << 29,), **options)


def virtual(file):
    layout = h5py.VirtualLayout((8,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (8,))
    file.create_virtual_dataset("virtual", layout)


def external(file):
    file.create_dataset("external", (8,), "f4", external=[("/etc/passwd", 0, 32)])


def link(target):
    return lambda file: file.__setitem__("link", target)


def cycle(file):
    file["layers/again"] = file["layers"]


def deep(file):
    file.create_group("/".join("d" * 100))


def text(file):
    file["text"] = "import os"


def not_finite(value):
    def write(file):
        names = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        array = file[names[0]]
        changed = array[()]
        changed.flat[3] = value
        array[...] = changed

    return weights(write)


def empty(name):
    return lambda directory: (directory / name).write_bytes(b"")


def write(name, content):
    return lambda directory: (directory / name).write_text(content)


DEEP = '{"a":' * 200 + "1" + "}" * 200
HOSTILE = {
    "3e7 tokens": (config(vocabulary_size=30_000_000), "vocabulary_size=30000000"),
    "3e7 tokens, as a float": (config(vocabulary_size=3e7), "vocabulary_size=30000000.0"),
    "3e7 tokens in clusters": (
        config(vocabulary_size=30_000_000, embedding_cutoffs=[10], embedding_factor=1e300),
        "vocabulary_size=30000000",
    ),
    "clusters of a class without": (
        config(vocabulary_size=30_000_000, embedding_cutoffs=[1, 2, 3], embedding_factor=64),
        r"vocabulary_size=30000000.* that needs \d{3},000,000",
    ),
    "no list of clusters": (
        config(vocabulary_size=30_000_000, embedding_cutoffs=5),
        "vocabulary_size=30000000",
    ),
    "30,000 units": (
        config(units=30_000),
        "units=30000 in config.json.*and that needs 900,000,000",
    ),
    "wide embedding": (config(embedding_dim=10**9), "embedding_dim"),
    "huge number": (config(units=1e300), "units=1e\\+300"),
    "5,000 layers": (config(num_layers=5_000), "num_layers=5000 in config.json.* arrays"),
    "wide projection": (config(language_dim=10**9), "language_dim=1000000000"),
    "positions": (config(max_sequence_length=10**9), "max_sequence_length"),
    "wide encoder": (config(encoder=bert(hidden_dim=6144)), "hidden_dim=6144"),
    "wide layers of an encoder": (
        config(encoder=bert(intermediate_dim=60_000)),
        "intermediate_dim",
    ),
    "positions of an encoder": (config(encoder=bert(max_sequence_length=60_000)), "max_sequence_l"),
    "tokens of an encoder": (
        config(encoder=bert("ElectraBackbone", vocab_size=60_000)),
        "vocab_size=60000",
    ),
    "repeated layers": (
        config(encoder=bert("AlbertBackbone", num_inner_repetitions=5_000)),
        "num_layers=10000",
    ),
    "no encoder of text": (config(encoder=bert("ResNetBackbone")), "ResNet.* as 'encoder'"),
    "no encoder": (config(encoder=an_object("Dense", "keras")), "Dense.* as 'encoder'"),
    "encoder as a language model": (
        config(language_models=[language_model(), bert()]),
        "each in its place.*BertBackbone.* as 'language_models'",
    ),
    "wide language model": (
        config(language_models=[language_model(embedding_dim=10**9)]),
        "embedding_dim=1000000000",
    ),
    "two names of a class": (
        config(language_models=[language_model() | {"class_name": "BertBackbone"}]),
        "class_name='BertBackbone', registered_name='zoo>CausalLMBackbone'",
    ),
    "encoder as a dtype": (config(dtype=bert()), "BertBackbone.* as 'dtype'"),
    "layer as a dtype": (
        config(dtype={"class_name": "Dense", "module": "keras", "config": {}}),
        "Dense.* as 'dtype'",
    ),
    "encoder within a dtype": (
        config(dtype={"name": "x", "policy_map": {"encoder_layer": bert()}}),
        "BertBackbone.* as 'dtype'",
    ),
    "layer where a name belongs": (
        config(attention=an_object("MultiHeadAttention", "zoo")),
        "MultiHeadAttention.* as 'attention'",
    ),
    "encoder as a backbone": (task(backbone=bert()), "BertBackbone.* as 'backbone'"),
    "encoder as a tokenizer": (preprocessor(tokenizer=bert()), "BertBackbone.* as 'tokenizer'"),
    "encoder as a converter": (
        preprocessor(image_converter=bert()),
        "BertBackbone.* as 'image_converter'",
    ),
    "a million labels": (task(labels=[f"l{i}" for i in range(10**5)]), "labels=100000 names"),
    "long sequences": (preprocessor(sequence_length=10**12), "at most 1,048,576.*sequence_length"),
    "a gigabyte of zeros": (weights(zeros), "20 times.*claims to hold 1,073,"),
    "virtual dataset": (weights(virtual), "virtual in model.weights.h5, an array in another file"),
    "external storage": (weights(external), "external in model.weights.h5, an array in another"),
    "external link": (weights(link(h5py.ExternalLink("/etc/passwd", "/"))), "a link"),
    "soft link": (weights(link(h5py.SoftLink("/layers"))), "a link"),
    "cycle of groups": (weights(cycle), "deeply nested"),
    "deep groups": (weights(deep), "deeply nested"),
    "text": (weights(text), "no array of numbers"),
    "no HDF5": (write("model.weights.h5", "weights"), "readable HDF5"),
    "empty weights": (empty("model.weights.h5"), "is empty.*model.weights.h5"),
    "empty vocabulary": (empty("assets/tokenizer/vocabulary.spm"), "is empty.*vocabulary.spm"),
    "card of another task": (card(task="seq2seq_lm"), "task='seq2seq_lm' in card.json, and a text"),
    "card of many weights": (card(parameters=10**9), "parameters=1,000,000,000, and"),
    "deep JSON": (write("metadata.json", DEEP), "nested more than 64 deep"),
}


@pytest.mark.parametrize("change, message", HOSTILE.values(), ids=HOSTILE)
def test_hostile_presets_are_refused_before_keras(preset, monkeypatch, change, message):
    import keras

    monkeypatch.setattr(keras.saving, "deserialize_keras_object", None)
    change(preset)
    sign(preset)
    with pytest.raises(PresetError, match=message):
        zoo.load(preset)


@pytest.mark.parametrize("name, size", [("card.json", 2 << 20), ("metadata.json", 17 << 20)])
def test_large_json_is_not_read(preset, name, size):
    with (preset / name).open("r+b") as file:
        file.truncate(size)
    if name != "card.json":
        sign(preset)
    with pytest.raises(PresetError, match=f"{name}.* bytes, more than"):
        resolve(preset)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_must_be_finite(preset, value):
    not_finite(value)(preset)
    sign(preset)
    with pytest.raises(PresetError, match="must be finite.*Received: .*embeddings"):
        zoo.load(preset)


def test_vocabulary_must_fit_the_embedding(preset, tmp_path):
    from zoo.tokenizers import train_subword_tokenizer

    words = [f"{a}{b}" for a in "abcdefghijklmnop" for b in "qrstuvwxyz"]
    tokenizer = train_subword_tokenizer(words, 600)
    assert tokenizer.vocabulary_size() > 300
    (preset / "assets/tokenizer/vocabulary.spm").write_bytes(tokenizer.proto)
    sign(preset)
    with pytest.raises(
        PresetError, match="must not be larger than the embedding.*300 in the model"
    ):
        zoo.load(preset)


def test_unchanged_preset_loads(preset, tmp_path):
    sign(preset)
    assert zoo.load(preset).infer(["a good film"])
    shutil.rmtree(preset)


def sign(directory):
    """Updates the checksums of the card, as the author of a hostile preset would."""
    content = json.loads((directory / "card.json").read_text())
    content["files"] = hash_files(directory)
    content["sha256"] = digest_of(content["files"])
    (directory / "card.json").write_text(json.dumps(content))


def test_rare_tokens_may_have_fewer_weights():
    sizes = {"vocabulary_size": 100_000, "embedding_dim": 512, "units": 256}
    stored = Stored(weights=6_000_000, arrays=9)
    with pytest.raises(PresetError, match="vocabulary_size=100000.* that needs 51,200,000"):
        check_sizes("config.json", sizes, stored)
    clusters = {"embedding_cutoffs": [2000, 10_000]}
    check_sizes("config.json", sizes | clusters, stored, has_clusters=True)
    with pytest.raises(PresetError, match="vocabulary_size=100000"):  # of another class
        check_sizes("config.json", sizes | clusters, stored)
