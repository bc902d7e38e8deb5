"""Weights of other libraries: what is imported computes what its source computes."""

import json

import h5py
import keras
import numpy as np
import pytest

from zoo import importing
from zoo.cli import main
from zoo.importing import FileError, references

torch = pytest.importorskip("torch")
MASK = np.arange(6) < np.array([6, 3, 1])[:, None]


def state_dict(path, cls, **options):
    """Saves the state dict of a small layer; returns the layer."""
    torch.manual_seed(0)
    layer = cls(5, 4, batch_first=True, **options)
    torch.save(layer.state_dict(), path)
    return layer


def sequences(features, seed=1):
    return np.random.default_rng(seed).normal(size=(3, 6, features)).astype("float32")


def outputs(found, inputs):
    results = found.model({"inputs": inputs, "padding_mask": MASK})
    return [keras.ops.convert_to_numpy(it) for it in keras.tree.flatten(results)]


def packed(layer, inputs):
    """The outputs of a layer of torch, zero at padding, and the last states of each layer."""
    rnn = torch.nn.utils.rnn
    with torch.inference_mode():
        batch = rnn.pack_padded_sequence(torch.tensor(inputs), MASK.sum(1), batch_first=True)
        hidden, states = layer(batch)
        hidden, _ = rnn.pad_packed_sequence(hidden, batch_first=True)
    states = states if isinstance(states, tuple) else (states,)
    directions = 2 if layer.bidirectional else 1
    found = [hidden.numpy()]
    for depth in range(layer.num_layers):
        for state in states:
            parts = state[depth * directions : (depth + 1) * directions].numpy()
            found.append(np.concatenate(parts, axis=-1))
    return found


@pytest.mark.parametrize(
    "cls, options",
    [
        (torch.nn.LSTM, {"num_layers": 2, "bidirectional": True}),
        (torch.nn.GRU, {"num_layers": 2, "bidirectional": True}),
        (torch.nn.GRU, {"bias": False}),
    ],
)
def test_layers_of_torch(tmp_path, cls, options):
    layer = state_dict(tmp_path / "it.pt", cls, **options)
    found = importing.load(tmp_path / "it.pt")
    assert found.source == f"torch.nn.{cls.__name__}" and found.difference < 1e-6
    assert found.layer.bidirectional == layer.bidirectional and not found.left_out
    inputs = sequences(5)
    for ours, theirs in zip(outputs(found, inputs), packed(layer, inputs), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.once
def test_biases_of_torch_are_added_where_they_may_be(tmp_path):
    """Both of an LSTM; of a GRU neither, since the reset gate multiplies one of n."""
    layer = state_dict(tmp_path / "it.pt", torch.nn.LSTM)
    direction = importing.load(tmp_path / "it.pt").layer.stack[0][0]
    bias = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy()
    np.testing.assert_allclose(keras.ops.convert_to_numpy(direction.cell.bias), bias, atol=1e-7)
    layer = state_dict(tmp_path / "it.pt", torch.nn.GRU)
    direction = importing.load(tmp_path / "it.pt").layer.stack[0][0]
    bias = keras.ops.convert_to_numpy(direction.cell.bias)
    np.testing.assert_array_equal(bias[1, 8:], layer.bias_hh_l0.detach().numpy()[8:])  # of n
    np.testing.assert_array_equal(bias[1, :4], layer.bias_hh_l0.detach().numpy()[4:8])  # of z


def write_safetensors(path, arrays):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (dtype, array) in arrays.items():
        offsets = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": offsets}
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.mark.once
def test_safetensors_with_a_prefix_beside_other_weights(tmp_path):
    layer = torch.nn.LSTM(5, 4)
    arrays = {f"encoder.rnn.{name}": ("F32", it.numpy()) for name, it in layer.state_dict().items()}
    arrays["embedding.weight"] = "BF16", np.array([[0x3F80]], "<u2")  # 1.0
    write_safetensors(tmp_path / "it.safetensors", arrays)
    found = importing.load(tmp_path / "it.safetensors", "encoder.rnn")
    assert found.difference < 1e-6 and found.left_out == {"embedding.weight": (1, 1)}
    from zoo.importing.files import read

    assert read(tmp_path / "it.safetensors").arrays["embedding.weight"].tolist() == [[1.0]]


def write_keras(path, weights, layers=None):
    """A file as Keras 2 writes it: a group a layer, which names its weights."""
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if layers else file
        if layers:
            config = {"class_name": "Functional", "config": {"name": "model", "layers": layers}}
            file.attrs["model_config"] = json.dumps(config)
        for layer, arrays in weights.items():
            for name, array in arrays.items():
                group[f"{layer}/{name}:0"] = array


def serialised(cls, name, **config):
    inner = {"activation": "tanh", "recurrent_activation": "sigmoid", "name": name} | config
    return {"class_name": cls, "config": inner}


def keras_arrays(layer, features=5):
    keras.utils.set_random_seed(0)
    layer.build((None, None, features))
    random = np.random.default_rng(0)
    layer.set_weights([random.normal(size=it.shape, scale=0.5) for it in layer.weights])
    return dict(zip(("kernel", "recurrent_kernel", "bias"), layer.get_weights(), strict=False))


@pytest.mark.parametrize("reset_after", [False, True])
def test_gru_of_keras_2(tmp_path, reset_after):
    """The formula in NumPy, with one bias and with two."""
    arrays = keras_arrays(keras.layers.GRU(4, reset_after=reset_after))
    path = tmp_path / "it.h5"
    write_keras(path, {"gru": {f"gru/gru_cell/{name}": it for name, it in arrays.items()}})
    found = importing.load(path)
    assert found.difference < 1e-6 and "tanh and sigmoid are assumed" in found.notes[0]
    inputs, h = sequences(5), np.zeros((3, 4))
    kernel, recurrent, bias = arrays.values()
    expected = []
    for t in range(6):
        x, u = inputs[:, t] @ kernel + (bias[0] if reset_after else bias), recurrent
        past = h @ u + (bias[1] if reset_after else 0)
        z, r = (1 / (1 + np.exp(-x[:, i : i + 4] - past[:, i : i + 4])) for i in (0, 4))
        past = r * past[:, 8:] if reset_after else (r * h) @ u[:, 8:]
        h = np.where(MASK[:, t, None], z * h + (1 - z) * np.tanh(x[:, 8:] + past), h)
        expected.append(h * MASK[:, t, None])
    hidden, state = outputs(found, inputs)
    np.testing.assert_allclose(hidden, np.stack(expected, 1), atol=1e-6)
    np.testing.assert_allclose(state, h, atol=1e-6)


@pytest.mark.once
def test_stack_of_bidirectional_lstms_of_keras_2(tmp_path):
    weights, configs, layers = {}, [], []
    for name, features in (("first", 5), ("second", 8)):
        layer = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))
        layer.build((None, None, features))
        layers.append(layer)
        parts = np.split(np.arange(6), 2)
        weights[name] = {
            f"{name}/{direction}_lstm/lstm_cell/{kind}": layer.get_weights()[i]
            for direction, places in zip(("forward", "backward"), parts, strict=True)
            for i, kind in zip(places, ("kernel", "recurrent_kernel", "bias"), strict=True)
        }
        inner = serialised("LSTM", "lstm")
        config = {"name": name, "merge_mode": "concat", "layer": inner}
        configs.append({"class_name": "Bidirectional", "config": config})
    path = tmp_path / "it.h5"
    write_keras(path, weights, configs)
    with pytest.raises(FileError, match="several layers: name one.*first, second"):
        importing.load(path)
    found = importing.load(path, ["first", "second"])
    assert found.layer.num_layers == 2 and found.difference < 1e-6 and not found.notes
    inputs = sequences(5)
    expected = layers[1](layers[0](inputs, mask=MASK), mask=MASK)
    expected = keras.ops.convert_to_numpy(expected) * MASK[:, :, None]
    np.testing.assert_allclose(outputs(found, inputs)[0], expected, atol=1e-6)
    with pytest.raises(FileError, match="each of the size of the output below it"):
        importing.load(path, ["second", "first"])


def crf_arrays(tags=3, features=5, boundaries=True, kernel=True):
    random = np.random.default_rng(0)
    arrays = {"crf/chain_kernel": random.normal(size=(tags, tags))}
    if boundaries:
        arrays |= {f"crf/{side}_boundary": random.normal(size=tags) for side in ("left", "right")}
    if kernel:
        arrays |= {"crf/dense/kernel": random.normal(size=(features, tags))}
        arrays |= {"crf/dense/bias": random.normal(size=tags)}
    return {name: it.astype("float32") for name, it in arrays.items()}


@pytest.mark.parametrize("boundaries", [True, pytest.param(False, marks=pytest.mark.once)])
def test_crf_of_tensorflow_addons(tmp_path, boundaries):
    """The best of all tags is found by trying each, with the boundaries at the ends of a row."""
    arrays = crf_arrays(boundaries=boundaries, kernel=boundaries)
    write_keras(tmp_path / "it.h5", {"crf": arrays})
    found = importing.load(tmp_path / "it.h5")
    assert found.source == "tfa.layers.CRF" and found.difference < 1e-5
    inputs = sequences(5 if boundaries else 3)
    _, tags = outputs(found, inputs)
    x = inputs @ arrays["crf/dense/kernel"] + arrays["crf/dense/bias"] if boundaries else inputs
    zeros = np.zeros(3)
    left, right = (arrays.get(f"crf/{side}_boundary", zeros) for side in ("left", "right"))
    transitions = arrays["crf/chain_kernel"]
    for row, best, length in zip(x, tags, MASK.sum(1), strict=True):
        scores = {}
        for chosen in np.ndindex(*[3] * length):
            score = left[chosen[0]] + right[chosen[-1]] + row[range(length), chosen].sum()
            scores[chosen] = score + transitions[chosen[:-1], chosen[1:]].sum()
        assert tuple(best[:length]) == max(scores, key=scores.get)


def torch_file(path, content):
    torch.save(content, path)
    return path


class Opens:
    """Code that a pickle would run."""

    def __reduce__(self):
        return (open, ("ran", "w"))


def lstm_weights(**changes):
    weights = torch.nn.LSTM(5, 4).state_dict() | changes
    return {name: it for name, it in weights.items() if it is not None}


@pytest.mark.once
@pytest.mark.parametrize(
    "content, message",
    [
        ({"x": Opens()}, "must hold a state dict alone"),
        ([1, 2], "a dictionary from names to tensors.*Received: a list"),
        ({"embedding.weight": torch.ones(3, 2)}, r"must have the weights of.*embedding.weight \(3"),
        (lstm_weights(weight_hh_l0=None), r"weight_ih_l0 and weight_hh_l0.*bias_hh_l0 \(16,\)"),
        (lstm_weights(bias_hh_l0=None), r"bias_hh_l0 \(16,\)\. Received: weight_ih_l0 \(16, 5\)"),
        (lstm_weights(bias_hh_l0=torch.ones(3)), r"bias_hh_l0 \(3,\) in "),
        (lstm_weights(weight_hh_l2=torch.ones(16, 4)), r"weight_ih_l1 \(16, 4\)"),
        (torch.nn.LSTM(5, 4, proj_size=2).state_dict(), "`proj_size` has no counterpart"),
        (torch.nn.RNN(5, 4).state_dict(), r"4 gates of an LSTM or 3 of a GRU.*weight_hh_l0 \(4, 4"),
        (lstm_weights(bias_hh_l0=torch.full((16,), float("nan"))), "finite.*bias_hh_l0"),
    ],
)
def test_other_files_of_torch_are_refused(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=message):
        importing.load(torch_file(tmp_path / "it.pt", content))
    assert not (tmp_path / "ran").exists()


@pytest.mark.once
@pytest.mark.parametrize("suffix", ["pt", "safetensors", "h5"])
def test_cut_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"it.{suffix}"
    if suffix == "pt":
        state_dict(path, torch.nn.LSTM)
    elif suffix == "h5":
        write_keras(path, {"crf": crf_arrays()})
    else:
        write_safetensors(path, {"weight_ih_l0": ("F32", np.ones((16, 5), "f4"))})
    whole = path.read_bytes()
    for length in (0, 5, len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:length])
        with pytest.raises(FileError, match="not a whole"):
            importing.load(path)


@pytest.mark.once
def test_other_files_of_keras_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "it.h5"

    def refuses(message, weights, layers=None):
        write_keras(path, weights, layers)
        with pytest.raises(FileError, match=message):
            importing.load(path)

    lstm = keras_arrays(keras.layers.LSTM(4))
    inside = {"lstm": {f"lstm/{name}": it for name, it in lstm.items()}}
    hard = serialised("LSTM", "lstm", recurrent_activation="hard_sigmoid")
    refuses("tanh and sigmoid.*'recurrent_activation': 'hard_sigmoid'", inside, [hard])
    summed = {"name": "lstm", "merge_mode": "sum", "layer": serialised("LSTM", "inner")}
    refuses("'merge_mode': 'sum'", inside, [{"class_name": "Bidirectional", "config": summed}])
    relu = serialised("LSTM", "back", activation="relu", go_backwards=True)
    own = summed | {"merge_mode": "concat", "backward_layer": relu}
    refuses(
        "'backward activation': 'relu'", inside, [{"class_name": "Bidirectional", "config": own}]
    )
    turned = own | {"layer": serialised("LSTM", "it", go_backwards=True)}
    refuses("'go_backwards': True", inside, [{"class_name": "Bidirectional", "config": turned}])
    twice = {
        f"{part}/lstm": {f"lstm_cell/{name}": it for name, it in lstm.items()} for part in "qa"
    }
    refuses("different names.*a/lstm/lstm_cell/.* and q/lstm/lstm_cell/", twice)
    refuses(r"bias \(16,\)\. Received", {"lstm": {**inside["lstm"], "lstm/bias": np.ones(32)}})
    gru = {"kernel": np.ones((5, 12)), "recurrent_kernel": np.ones((4, 12))}
    refuses("tells reset_after", {"gru": gru})
    partial = {name: it for name, it in crf_arrays().items() if "left" not in name}
    refuses(r"left_boundary \(3,\).*Received: crf/crf/", {"crf": partial})
    with h5py.File(path, "w") as file:
        file["lstm/kernel"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(FileError, match="no links"):
        importing.load(path)
    monkeypatch.setattr("zoo.importing.files.MAX_BYTES", 10_000)
    with h5py.File(path, "w") as file:  # small in the file
        file.create_dataset("lstm/kernel", (1000, 1000), compression="gzip")
    with pytest.raises(FileError, match="4.0 MB|0.0 GB together"):
        importing.load(path)
    with pytest.raises(FileError, match=r"imported from .pt.*Received: .*it.txt"):
        importing.load(tmp_path / "it.txt")


def test_the_command_writes_a_model_that_keras_loads(tmp_path, capsys):
    layer = state_dict(tmp_path / "it.pt", torch.nn.GRU, bidirectional=True)
    words = ["import", str(tmp_path / "it.pt"), "-o", str(tmp_path / "out")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "torch.nn.GRU, 1 layer, both directions, 4 units" in said
    assert "largest difference " in said
    model = keras.saving.load_model(tmp_path / "out" / "model.keras")
    inputs = sequences(5)
    hidden = model({"inputs": inputs, "padding_mask": MASK})["outputs"]
    expected = packed(layer, inputs)[0]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(hidden), expected, atol=1e-6)
    description = json.loads((tmp_path / "out" / "import.json").read_text())
    assert description["difference"] < 1e-6 and len(description["sha256"]) == 64
    assert main(words) == 2 and "new or empty directory" in capsys.readouterr().err


@pytest.mark.once
def test_a_difference_is_refused_and_nothing_is_written(tmp_path, capsys, monkeypatch):
    state_dict(tmp_path / "it.pt", torch.nn.GRU)
    right = references.torch_outputs

    def wrong(*arguments):
        return [it + 2e-4 for it in right(*arguments)]

    monkeypatch.setattr(references, "torch_outputs", wrong)
    assert main(["import", str(tmp_path / "it.pt"), "-o", str(tmp_path / "out")]) == 1
    assert "a difference of 0.0002 from torch.nn.GRU" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
