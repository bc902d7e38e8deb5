"""Saving presets: atomic, in half precision, and loadable."""

import json
from types import SimpleNamespace

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest

import zoo
from zoo.presets import PresetError, read_card, save, update_card

BATCH = {
    "token_ids": np.array([[5, 42, 299, 7], [17, 3, 0, 0], [0, 0, 0, 0]], "int32"),
    "padding_mask": np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]], bool),
}
# Logits of the tiny model with its stored weights, on every backend.
LOGITS = [[-1.541527, -1.370339], [-1.349498, -0.785335], [-0.662109, -0.629883]]


def weights_of(directory):
    values = {}
    for name in ("model.weights.h5", "task.weights.h5"):
        with h5py.File(directory / name) as file:
            file.visititems(
                lambda key, item, name=name: (
                    values.update({(name, key): item[()]})
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
    return values


def test_loaded_weights_are_rounded_to_half_precision(model, saved):
    loaded = zoo.load(saved[0])
    assert type(loaded) is type(model)
    assert len(loaded.weights) == len(model.weights) == 13
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        assert keras.backend.standardize_dtype(theirs.dtype) == "float32"
        expected = keras.ops.convert_to_numpy(ours)
        if expected.ndim > 1:  # 8 significant bits, in the range of float16
            expected = expected.astype(ml_dtypes.bfloat16)
        expected = expected.astype("float16").astype("float32")
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(theirs), expected)


@pytest.mark.once
def test_matrices_are_rounded_to_fewer_bits(model, tmp_path):
    sizes = []
    for bits in (11, 8, 5):
        save(model, tmp_path / str(bits), name="it", dataset="none", significant_bits=bits)
        sizes.append((tmp_path / str(bits) / "model.weights.h5").stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]
    whole, fewer = (weights_of(tmp_path / bits) for bits in ("11", "5"))
    for key, expected in whole.items():
        if expected.ndim > 1:
            fraction, exponent = np.frexp(fewer[key].astype("float64"))
            np.testing.assert_array_equal(fraction * 2**5, np.round(fraction * 2**5))
            np.testing.assert_allclose(fewer[key], expected, rtol=2**-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(fewer[key], expected)


@pytest.mark.once
@pytest.mark.parametrize("bits", [1, 12, 4.5])
def test_other_numbers_of_bits_are_refused(model, tmp_path, bits):
    with pytest.raises(ValueError, match=f"from 2 to 11.*significant_bits={bits}"):
        save(model, tmp_path / "it", name="it", dataset="none", significant_bits=bits)
    assert not (tmp_path / "it").exists()


def test_loaded_model_has_the_same_logits_on_every_backend(model, saved):
    answers = keras.Model.predict_on_batch(zoo.load(saved[0]), BATCH)
    np.testing.assert_allclose(answers, LOGITS, atol=1e-5)
    np.testing.assert_allclose(answers, keras.Model.predict_on_batch(model, BATCH), atol=1e-2)


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_kerashub_loads_the_preset(model, saved):
    import keras_hub

    loaded = keras_hub.models.TextClassifier.from_preset(str(saved[0]))
    assert type(loaded) is type(model)


def test_large_weights_are_compressed(saved):
    sets = []
    with h5py.File(saved[0] / "model.weights.h5") as file:
        file.visititems(lambda _, it: sets.append(it) if isinstance(it, h5py.Dataset) else None)
        found = {(it.nbytes >= 1024, it.compression, it.chunks == it.shape) for it in sets}
    assert found == {(True, "gzip", True), (False, None, False)}


def test_weights_take_less_room_than_by_gzip(saved, tmp_path):
    sizes = []
    with h5py.File(saved[0] / "model.weights.h5") as file, h5py.File(tmp_path / "x", "w") as other:

        def compare(name, item):
            if isinstance(item, h5py.Dataset) and item.chunks:
                options = {"compression": "gzip", "shuffle": True, "chunks": item.shape}
                plain = other.create_dataset(name, data=item[()], **options)
                sizes.append((item.id.get_storage_size(), plain.id.get_storage_size()))

        file.visititems(compare)
    assert sizes and all(size < plain for size, plain in sizes)


def test_files_are_stored_in_half_precision(saved):
    values = weights_of(saved[0])
    assert {str(value.dtype) for value in values.values()} == {"float16"}
    assert len(values) == 13


def test_float32_is_stored_exactly(model, tmp_path):
    save(model, tmp_path / "p", name="p", dataset="d", dtype="float32")
    loaded = zoo.load(tmp_path / "p")
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (ours, theirs)))


@pytest.mark.once
def test_optimizer_is_not_saved(saved, tmp_path):
    loaded = zoo.load(saved[0])
    loaded.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    batch = loaded.preprocessor.collate(loaded.preprocessor.encode(["a good film"]), 16)
    loaded.optimizer.learning_rate = 0.0
    keras.Model.fit(loaded, batch, np.array([1]), verbose=0)
    save(loaded, tmp_path / "p", name="p", dataset="d")
    assert weights_of(tmp_path / "p").keys() == weights_of(saved[0]).keys()
    assert loaded.optimizer is not None
    assert zoo.load(tmp_path / "p").compiled is False


@pytest.mark.once
def test_card_lists_the_files(saved):
    directory, card = saved
    assert read_card(directory) == card
    assert (card.name, card.task, card.dataset) == ("tiny", "text_classifier", "reviews")
    assert card.languages == ("en", "ko")
    assert card.parameters == sum(value.size for value in weights_of(directory).values())
    on_disk = {
        path.relative_to(directory).as_posix(): path.stat().st_size
        for path in directory.rglob("*")
        if path.is_file() and path.name not in ("card.json", "README.md")
    }
    assert card.bytes == sum(on_disk.values())
    assert card.files.keys() == on_disk.keys()
    assert "assets/tokenizer/vocabulary.spm" in card.files


@pytest.mark.once
def test_card_defaults_to_values_of_the_dataset(model, tmp_path):
    dataset = SimpleNamespace(name="nsmc", languages=("ko",), licence="CC0-1.0", citation="Park")
    card = save(model, tmp_path / "p", name="p", dataset=dataset, metrics={"dev/accuracy": 0.5})
    assert (card.dataset, card.languages, card.licence) == ("nsmc", ("ko",), "CC0-1.0")
    assert card.citation == "Park"
    assert json.loads((tmp_path / "p" / "card.json").read_text())["metrics"] == {
        "dev/accuracy": 0.5
    }


@pytest.mark.once
def test_directory_is_replaced_only_with_overwrite(model, preset):
    before = read_card(preset)
    with pytest.raises(FileExistsError):
        save(model, preset, name="other", dataset="d")
    assert read_card(preset) == before
    assert save(model, preset, name="other", dataset="d", overwrite=True).name == "other"
    assert zoo.load(preset).labels == ("negative", "positive")


@pytest.mark.once
@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_weights_out_of_range_leave_no_files(saved, tmp_path, value):
    loaded = zoo.load(saved[0])
    weights = loaded.get_weights()
    weights[-1][0] = value
    loaded.set_weights(weights)
    with pytest.raises(ValueError, match="at most the maximum of float16.*task.weights.h5"):
        save(loaded, tmp_path / "p", name="p", dataset="d")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "dtype='int8'"),
        ({"name": "../x"}, r"`name` of a card.*'\.\./x'"),
        ({"metrics": {"accuracy": float("nan")}}, "`metrics` of a card"),
    ],
)
def test_wrong_arguments_leave_no_files(model, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        save(model, tmp_path / "p", **{"name": "p", "dataset": "d", **options})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16"])
def test_a_model_in_lower_precision_is_refused(saved, tmp_path, dtype):
    lower = zoo.load(saved[0], dtype=dtype)
    with pytest.raises(ValueError, match=f"a model in float32.*dtype policy .*{dtype}"):
        save(lower, tmp_path / "lower", name="lower", dataset="none")
    assert not (tmp_path / "lower").exists()


def test_only_tasks_of_the_zoo_are_saved(tmp_path):
    with pytest.raises(ValueError, match="Only a task of `zoo.models`"):
        save(keras.Sequential(), tmp_path / "p", name="p", dataset="d")


def test_subclass_outside_the_zoo_is_not_saved(model, tmp_path):
    """Loading could not find its class."""

    class MyClassifier(type(model)):
        pass

    mine = MyClassifier(model.backbone, model.preprocessor)
    with pytest.raises(ValueError, match="Only a task of `zoo.models`"):
        save(mine, tmp_path / "p", name="p", dataset="d")
    assert list(tmp_path.iterdir()) == []


def test_update_card_keeps_the_other_files(preset):
    before = read_card(preset)
    card = update_card(preset, metrics={"dev/accuracy": 0.75})
    assert card == read_card(preset) and card.metrics == {"dev/accuracy": 0.75}
    assert (card.sha256, card.files, card.name) == (before.sha256, before.files, before.name)
    assert "| dev/accuracy | 0.75 |" in (preset / "README.md").read_text("utf-8")
    zoo.load(preset)  # verifies the checksums


def test_update_card_refuses_invalid_values_and_a_missing_card(preset):
    before = (preset / "card.json").read_bytes()
    with pytest.raises(PresetError, match="finite numbers"):
        update_card(preset, metrics={"dev/accuracy": float("nan")})
    assert (preset / "card.json").read_bytes() == before
    (preset / "card.json").unlink()
    with pytest.raises(PresetError, match="no card.json to update"):
        update_card(preset, metrics={})


def test_full_disk_is_an_error_before_writing(model, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1 << 20))
    with pytest.raises(OSError, match="No space left on device"):
        save(model, tmp_path / "new", name="new", dataset="reviews")
    assert list(tmp_path.iterdir()) == []
