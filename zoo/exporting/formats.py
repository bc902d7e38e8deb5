"""The formats: how a graph is written in each, and how what was written is run again."""

import importlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import numpy as np

    Arrays = Mapping[str, np.ndarray]
    Shapes = Mapping[str, tuple[str | int, ...]]

BACKEND = "tensorflow"
# Why no other; a preset is the same on all of them, so nothing is lost.
OTHER_BACKENDS = {
    "torch": "from torch SavedModel fails, and ONNX is silently wrong for sentences of another "
    "length than the one it was traced with",
    "jax": "only TensorFlow's graphs keep loops that ONNX can be made of, for sentences of any "
    "length",
}
REFUSED = {
    "torchscript": "a trace repeats the steps of the one sentence that it saw, and is silently "
    "wrong for others; with torch installed, load the preset itself",
    "openvino": "its conversion fails for LSTMs",
    "litert": "the loops over a sentence need TensorFlow's own operations, which its interpreter "
    "lacks, so that the result could not be checked",
}
REFUSED["tflite"] = REFUSED["litert"]  # its former name

ONNX_FILE, ONNX_OPSET = "model.onnx", 18


class SavedModel:
    """A directory for `tf.saved_model.load`, TensorFlow Serving and their kin."""

    needs = ()

    @staticmethod
    def write(graph: "keras.Model", shapes: "Shapes", directory: Path) -> None:
        import tensorflow as tf

        module = tf.Module()  # Keras' own archive stores each weight twice
        module.weights = [weight.value for weight in graph.weights]
        module.serve = _traceable(graph)
        tf.saved_model.save(module, str(directory), module.serve)

    @staticmethod
    def load(directory: Path) -> "Callable[[Arrays], Arrays]":
        import tensorflow as tf

        saved = tf.saved_model.load(str(directory))  # which must live as long as its functions

        def run(batch):
            tensors = {name: tf.constant(array) for name, array in batch.items()}
            found = saved.signatures["serving_default"](**tensors)
            return {name: tensor.numpy() for name, tensor in found.items()}

        return run


class Onnx:
    """A directory with a file for ONNX Runtime."""

    needs = ("tf2onnx", "onnxruntime")  # the second to check what the first has made

    @staticmethod
    def write(graph: "keras.Model", shapes: "Shapes", directory: Path) -> None:
        convert = importlib.import_module("tf2onnx.convert")
        logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # a failure shows in the check
        function = _traceable(graph)
        made, _ = convert.from_function(
            function,
            function.input_signature,
            opset=ONNX_OPSET,
            custom_op_handlers={"Erfc": (_erfc, [])},  # of Gelu, which Transformers have
        )
        for value in (*made.graph.input, *made.graph.output):
            sizes = zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True)
            for dimension, size in sizes:
                if isinstance(size, str):
                    dimension.dim_param = size
        (directory / ONNX_FILE).write_bytes(made.SerializeToString())

    @staticmethod
    def load(directory: Path) -> "Callable[[Arrays], Arrays]":
        runtime = importlib.import_module("onnxruntime")
        session = runtime.InferenceSession(
            str(directory / ONNX_FILE), providers=["CPUExecutionProvider"]
        )
        names = [value.name for value in session.get_outputs()]
        return lambda batch: dict(zip(names, session.run(names, dict(batch)), strict=True))


FORMATS = {"saved_model": SavedModel, "onnx": Onnx}


def _traceable(graph):
    """A function that TensorFlow will trace, for inputs of any sizes."""
    import tensorflow as tf

    signature = {
        name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name)
        for name, tensor in graph.input.items()
    }
    return tf.function(lambda inputs: graph(inputs, training=False), input_signature=[signature])


def _erfc(graph, node, name, arguments):
    """Has tf2onnx write `erfc(x)`, which ONNX has not, as `1 - erf(x)`."""
    import numpy as np

    node.type = "Erf"
    one = graph.make_const(f"{name}/one", np.ones((), "float32"))
    graph.insert_new_node_on_output(
        "Sub", node.output[0], name=f"{name}/complement", inputs=[one.output[0], node.output[0]]
    )
