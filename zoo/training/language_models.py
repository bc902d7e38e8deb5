"""Encoders that start from language models (`training.init_from`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.layers import RecurrentEncoder
from zoo.models import CausalLM
from zoo.training.pretrained import check_settings
from zoo.training.reduction import reduced

# Settings that a forward and a backward language model of one encoder must share.
SHARED = ("decoder", "units", "num_layers")


def check_directions(models: Sequence[CausalLM], names: Sequence[str], key: str) -> None:
    """Refuses anything but a forward language model, or a forward and a backward one.

    Args:
        models: Language models.
        names: Their names in the recipe.
        key: The key that has them.

    Raises:
        ValueError: if there are others, or they are in another order.
    """
    directions = [model.preprocessor.backward for model in models]
    if directions not in ([False], [False, True]):
        listed = ", ".join(
            f"{name!r} ({'backward' if backward else 'forward'})"
            for name, backward in zip(names, directions, strict=True)
        )
        raise ValueError(
            f"{key} must name a forward language model, or a forward and a backward one, in this "
            f"order: {key}=[FORWARD,BACKWARD]. Received: {listed}"
        )


def check_language_models(models: Sequence[CausalLM], names: Sequence[str]) -> None:
    """Refuses language models whose states a recurrent encoder cannot compute.

    Args:
        models: A language model, or a forward and a backward one.
        names: Their names in the recipe.

    Raises:
        ValueError: if one is no plain stack of recurrent layers, or they do not fit together.
    """
    for model, name in zip(models, names, strict=True):
        backbone, reason = model.backbone, None
        if backbone.decoder == "transformer":
            reason = "a causal Transformer, and that of an encoder sees both sides"
        elif backbone.attention != "none":
            reason = f"one with attention {backbone.attention} to past states"
        elif backbone.residual and backbone.num_layers > 1:
            reason = "one with residual layers"
        elif backbone.embedding_cutoffs:
            reason = "one with embeddings of several sizes"
        if reason:
            raise ValueError(
                "A language model that starts an encoder must be a plain stack of recurrent "
                "layers: name another in training.init_from, or train one with "
                "model.decoder=lstm, model.attention=none, model.residual=false and "
                f"model.embedding_cutoffs=[]. Received: {name!r}, {reason}"
            )
    check_directions(models, names, "training.init_from")
    sizes = [{key: getattr(model.backbone, key) for key in SHARED} for model in models]
    if sizes[0] != sizes[-1]:
        raise ValueError(
            "A forward and a backward language model of one encoder must have the same "
            f"{', '.join(SHARED)}: train one of them again. Received: {sizes[0]} and {sizes[-1]}"
        )
    first, last = (models[i].preprocessor.tokenizer.get_vocabulary() for i in (0, -1))
    if first != last:
        raise ValueError(
            "A forward and a backward language model of one encoder must have the same "
            "vocabulary: train both on the same data with the same settings of the tokenizer. "
            f"Received: {', '.join(map(repr, names))}"
        )


def encoder_settings(models: Sequence[CausalLM], embedding: str) -> dict[str, Any]:
    """The settings of an encoder that computes the hidden states of language models.

    Args:
        models: A language model, or a forward and a backward one.
        embedding: The name of the size of the embeddings among these settings.
    """
    backbone = models[0].backbone
    return {
        "encoder": backbone.decoder,
        embedding: sum(model.backbone.embedding_dim for model in models),
        "units": backbone.units,
        "num_layers": backbone.num_layers,
        "bidirectional": len(models) == 2,
    }


def check_encoder(models: Sequence[CausalLM], received: Mapping[str, Any], embedding: str) -> None:
    """Checks the settings of an encoder, whose embeddings may be smaller than `encoder_settings`.

    Args:
        models: A language model, or a forward and a backward one.
        received: The settings of the encoder.
        embedding: The name of the size of the embeddings among these settings.

    Raises:
        ValueError: if they differ; names the settings the recipe needs.
    """
    expected = encoder_settings(models, embedding)
    if received[embedding] < expected[embedding]:
        del expected[embedding]
    check_settings(expected, received, expected)


def copy_language_models(
    models: Sequence[CausalLM], encoder: RecurrentEncoder, size: int
) -> np.ndarray:
    """Copies the recurrent layers of language models, and returns the embeddings that fit them.

    Each direction computes the states of its model: its embeddings are those of all models side by
    side, and the inputs that its model lacks have weights of zero at first. With a smaller `size`
    they are reduced (see `zoo.training.reduction`).

    Args:
        models: A language model, or a forward and a backward one.
        encoder: With the `encoder_settings` of the models. Its inputs begin with the embeddings.
        size: int. Size of the embeddings.

    Returns:
        The embedding of each token, floats `[tokens, size]`.
    """
    embeddings, kernels = _inputs(models, size)
    for direction, model in enumerate(models):
        for depth, layers in enumerate(encoder.stack):
            (source,), target = model.backbone.stack.stack[depth], layers[direction]
            kernel, *others = source.get_weights()
            if depth:
                kernel = _placed(kernel, target.weights[0].shape, direction * source.units)
            else:
                kernel = _placed(kernels[direction], target.weights[0].shape, 0)
            target.set_weights([kernel, *others])
    return embeddings


def _inputs(models, size):
    """Embeddings `[tokens, size]`, and the kernel of the first layer `[size, gates]` of each."""
    tables = [np.array(model.backbone.token_embedding.get_weights()[0]) for model in models]
    kernels = [model.backbone.stack.stack[0][0].get_weights()[0] for model in models]
    table = np.concatenate(tables, axis=1)
    starts = np.cumsum([0, *(len(kernel) for kernel in kernels)])
    placed = [
        _placed(kernel, (table.shape[1], kernel.shape[1]), start)
        for kernel, start in zip(kernels, starts, strict=False)
    ]
    return (table, placed) if size == table.shape[1] else reduced(table, placed, size)


def _placed(value: np.ndarray, shape: Sequence[int], first: int) -> np.ndarray:
    """A kernel as rows of a larger one of zeros, from `first` on."""
    larger = np.zeros(shape, value.dtype)
    larger[first : first + len(value)] = value
    return larger
