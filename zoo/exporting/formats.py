"""Export formats: writes a graph in each format, and loads it for the check."""

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
# Reasons why other backends do not export. A preset is the same on every backend.
OTHER_BACKENDS = {
    "torch": "on torch, SavedModel fails, and ONNX is silently wrong for sentences whose length "
    "differs from the traced one",
    "jax": "only TensorFlow's graphs keep the loops that ONNX needs for sentences of any length",
}
# Formats that are refused, with the reason.
REFUSED = {
    "torchscript": "a trace repeats the steps of the traced sentence, and is silently wrong for "
    "other lengths; with torch installed, load the preset itself",
    "openvino": "its conversion fails for LSTMs",
    "litert": "the loops over a sentence need TensorFlow operations that its interpreter lacks, so "
    "the result could not be checked",
}
REFUSED["tflite"] = REFUSED["litert"]  # the former name of LiteRT

ONNX_FILE, ONNX_OPSET = "model.onnx", 18


class SavedModel:
    """A SavedModel directory, for `tf.saved_model.load` and TensorFlow Serving."""

    extra = "tensorflow"

    @staticmethod
    def write(graph: "keras.Model", shapes: "Shapes", directory: Path) -> None:
        import tensorflow as tf

        module = tf.Module()  # Keras' ExportArchive stores each weight twice
        module.weights = [weight.value for weight in graph.weights]
        module.serve = _traceable(graph)
        tf.saved_model.save(module, str(directory), module.serve)

    @staticmethod
    def load(directory: Path) -> "Callable[[Arrays], Arrays]":
        import tensorflow as tf

        saved = tf.saved_model.load(str(directory))  # must not be garbage-collected before `run`

        def run(batch):
            tensors = {name: tf.constant(array) for name, array in batch.items()}
            found = saved.signatures["serving_default"](**tensors)
            return {name: tensor.numpy() for name, tensor in found.items()}

        return run


class Onnx:
    """A directory with `model.onnx`, for ONNX Runtime."""

    extra = "onnx"  # whose onnxruntime runs the check

    @staticmethod
    def write(graph: "keras.Model", shapes: "Shapes", directory: Path) -> None:
        convert = importlib.import_module("tf2onnx.convert")
        logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # the check finds failures
        function = _traceable(graph)
        onnx_model, _ = convert.from_function(
            function,
            function.input_signature,
            opset=ONNX_OPSET,
            custom_op_handlers={
                "Erfc": (_erfc, []),  # part of GELU in Transformers
                "Bitcast": (_sign_bit, []),  # part of Keras' argmax
            },
        )
        for value in (*onnx_model.graph.input, *onnx_model.graph.output):
            sizes = zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True)
            for dimension, size in sizes:
                if isinstance(size, str):
                    dimension.dim_param = size
        (directory / ONNX_FILE).write_bytes(onnx_model.SerializeToString())

    @staticmethod
    def load(directory: Path) -> "Callable[[Arrays], Arrays]":
        runtime = importlib.import_module("onnxruntime")
        session = runtime.InferenceSession(
            str(directory / ONNX_FILE), providers=["CPUExecutionProvider"]
        )
        names = [value.name for value in session.get_outputs()]
        return lambda batch: dict(zip(names, session.run(names, dict(batch)), strict=True))


FORMATS: dict[str, type[SavedModel | Onnx]] = {"saved_model": SavedModel, "onnx": Onnx}


def _traceable(graph):
    """The graph as a `tf.function` with an input signature of any batch size and length."""
    import tensorflow as tf

    signature = {
        name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name)
        for name, tensor in graph.input.items()
    }
    return tf.function(lambda inputs: graph(inputs, training=False), input_signature=[signature])


def _erfc(graph, node, name, arguments):
    """Converts `erfc(x)`, which ONNX lacks, to `1 - erf(x)`."""
    import numpy as np

    node.type = "Erf"
    one = graph.make_const(f"{name}/one", np.ones((), "float32"))
    graph.insert_new_node_on_output(
        "Sub", node.output[0], name=f"{name}/complement", inputs=[one.output[0], node.output[0]]
    )


def _sign_bit(graph, node, name, arguments):
    """Converts the bits of a float as an integer, which ONNX lacks, to its sign as an integer.

    Keras' `argmax` asks for the sign of these bits alone. It is -0.0 that the two tell apart, which
    `argmax` of ONNX Runtime takes for 0.0.
    """
    node.type = "Sign"
    del node.attr["type"]
    output = node.output[0]
    integers = graph.get_dtype(output)
    graph.set_dtype(output, graph.get_dtype(node.input[0]))
    integer = graph.insert_new_node_on_output("Cast", output, name=f"{name}/integer", to=integers)
    graph.set_dtype(integer.output[0], integers)
    graph.set_shape(integer.output[0], graph.get_shape(output))
