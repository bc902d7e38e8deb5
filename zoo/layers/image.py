"""Convolutional encoders of images that return their feature grid."""

import importlib
import pkgutil
from collections.abc import Sequence

import keras
from keras import ops

from zoo.conflicts import check, image_conflicts

RESIDUAL = "residual"
WIDTHS = (32, 64, 128)
STDDEV = 0.35  # of the row and of the column embeddings; that of their sum is 0.5


def make_image_encoder(
    name: str,
    image_size: Sequence[int],
    widths: Sequence[int] = WIDTHS,
    train: str = "all",
    output: str | None = None,
) -> keras.Model:
    """Makes a CNN, with new weights, as a model from images to feature grids.

    Its inputs are images `[batch, height, width, 3]`, RGB from 0 to 255; the preprocessing of a
    CNN of `keras.applications` is part of the model. Its outputs are features
    `[batch, rows, columns, channels]`.

    Args:
        name: `"residual"`, a small network: a convolution and, for each of `widths`, a residual
            block of two 3x3 convolutions, all of which halve the grid, with group
            normalization, so that the features of an image do not depend on the rest of the
            batch. Or a CNN of `keras.applications`, such as `"MobileNetV2"`, without its
            classifier.
        image_size: Height and width of the images.
        widths: Channels of each block of `"residual"`. Defaults to `(32, 64, 128)`.
        train: The layers to train: `"all"`, `"none"`, or those from the layer of this name on.
            Except with `"all"`, batch normalization is not trained and uses its stored
            statistics. Defaults to `"all"`.
        output: The name of the layer whose output is the grid; earlier layers have finer grids.
            Defaults to `None`: the last.

    Raises:
        ValueError: if there is no such CNN or layer, the layer has no grid, or the images are
            too small.

    References:
        - Residual blocks: He et al. 2016, "Identity Mappings in Deep Residual Networks".
        - Group normalization: Wu and He 2018.
    """
    images = keras.Input((*image_size, 3), name="images")
    if name == RESIDUAL:
        grid = _residual(images, widths)
    else:
        grid = _application(name, images)
    if output is not None:
        grid = _grid_of(keras.Model(images, grid), output)
    model = keras.Model(images, grid, name="image_encoder")
    _choose_trained(model, train)
    return model


def _grid_of(model, output):
    grids = {layer.name: layer.output for layer in model.layers if _is_grid(layer.output)}
    if output not in grids:
        raise ValueError(
            f"The output of a CNN must be that of a layer with a grid: {', '.join(grids)}. "
            f"Received: {output!r}"
        )
    return grids[output]


def _is_grid(output):
    return isinstance(output, keras.KerasTensor) and len(output.shape) == 4


@keras.saving.register_keras_serializable("zoo")
class GridPositions(keras.layers.Layer):
    """Adds learned embeddings of the row and of the column to each cell of a grid.

    The features of a CNN do not contain the position of a cell.

    Call arguments:
        grid: Float tensor `[batch, rows, columns, units]` of a fixed number of rows and columns.

    Returns:
        Float tensor of the same shape.

    References:
        - Learned embeddings of rows and columns: Carion et al. 2020, "End-to-End Object Detection
          with Transformers", section A.4.
    """

    def build(self, shape):
        _, rows, columns, units = shape
        self.rows = self._add("rows", (rows, 1, units))
        self.columns = self._add("columns", (columns, units))

    def _add(self, name, shape):
        # One initializer for each weight: a second call would draw the same numbers.
        normal = keras.initializers.RandomNormal(stddev=STDDEV)
        return self.add_weight(shape=shape, initializer=normal, name=name)

    def call(self, grid):
        return grid + ops.cast(self.rows, grid.dtype) + ops.cast(self.columns, grid.dtype)


def _residual(images, widths):
    check(image_conflicts(RESIDUAL, tuple(images.shape[1:3]), tuple(widths)))
    states = keras.layers.Rescaling(1 / 127.5, -1, name="rescaling")(images)
    states = _convolution(widths[0], "stem", strides=2)(states)
    for i, width in enumerate(widths):
        shortcut = keras.layers.AveragePooling2D(2, padding="same", name=f"block_{i}_pool")(states)
        shortcut = _convolution(width, f"block_{i}_shortcut", size=1)(shortcut)
        states = _activated(states, f"block_{i}_a")
        states = _convolution(width, f"block_{i}_conv_a", strides=2)(states)
        states = _activated(states, f"block_{i}_b")
        states = _convolution(width, f"block_{i}_conv_b")(states)
        states = keras.layers.Add(name=f"block_{i}_add")([states, shortcut])
    return _activated(states, "last")


def _convolution(width, name, size=3, strides=1):
    return keras.layers.Conv2D(
        width, size, strides, padding="same", kernel_initializer="he_normal", name=name
    )


def _activated(states, name):
    groups = next(n for n in (8, 4, 2, 1) if states.shape[-1] % n == 0)
    states = keras.layers.GroupNormalization(groups, name=f"{name}_norm")(states)
    return keras.layers.ReLU(name=f"{name}_relu")(states)


def _application(name, images):
    module = _modules().get(name)
    if module is None:
        raise ValueError(
            f"A CNN must be {RESIDUAL!r} or one of keras.applications: "
            f"{', '.join(sorted(_modules()))}. Received: {name!r}"
        )
    network = getattr(module, name)(
        include_top=False,
        weights=None,
        input_shape=tuple(images.shape[1:]),
        input_tensor=module.preprocess_input(images),
    )
    return network.output


def _modules():
    """The module of each CNN of `keras.applications`, with its `preprocess_input`."""
    found = {}
    for info in pkgutil.iter_modules(keras.applications.__path__):
        module = importlib.import_module(f"keras.applications.{info.name}")
        if hasattr(module, "preprocess_input"):
            names = [name for name in dir(module) if hasattr(keras.applications, name)]
            found |= {name: module for name in names if callable(getattr(module, name))}
    return found


def _choose_trained(model, train):
    if train == "all":
        return
    names = [layer.name for layer in model.layers]
    if train != "none" and train not in names:
        raise ValueError(
            "The trained layers of a CNN are 'all', 'none', or those from a layer on: "
            f"{', '.join(names)}. Received: {train!r}"
        )
    start = len(names) if train == "none" else names.index(train)
    for i, layer in enumerate(model.layers):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = i >= start and not is_norm
