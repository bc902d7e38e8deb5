"""Encoders that start from language models (`training.init_from`)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.layers import RecurrentEncoder
from zoo.models import CausalLM

# Settings that a forward and a backward language model of one encoder must share.
SHARED = ("decoder", "units", "num_layers")


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
    directions = [model.preprocessor.backward for model in models]
    if directions not in ([False], [False, True]):
        listed = ", ".join(
            f"{name!r} ({'backward' if backward else 'forward'})"
            for name, backward in zip(names, directions, strict=True)
        )
        raise ValueError(
            "An encoder starts from a forward language model, or from a forward and a backward "
            f"one, in this order: training.init_from=[FORWARD,BACKWARD]. Received: {listed}"
        )
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


def token_embeddings(models: Sequence[CausalLM]) -> np.ndarray:
    """The embedding of each token in all models side by side, `[tokens, size]`."""
    tables = [np.array(model.backbone.token_embedding.embeddings) for model in models]
    return np.concatenate(tables, axis=1)


def copy_recurrent_weights(models: Sequence[CausalLM], encoder: RecurrentEncoder) -> None:
    """Copies the recurrent layers of language models.

    Each direction computes the states of its model. Of its inputs, those that the model lacks
    have weights of zero at first: the embeddings and states of the other direction, and features
    after them.

    Args:
        models: A language model, or a forward and a backward one.
        encoder: With the `encoder_settings` of the models. Its inputs begin with
            `token_embeddings`.
    """
    start = 0
    for direction, model in enumerate(models):
        for depth, layers in enumerate(encoder.stack):
            (source,), target = model.backbone.stack.stack[depth], layers[direction]
            first = direction * source.units if depth else start
            target.set_weights(
                [
                    _placed(value, weight.shape, first)
                    for value, weight in zip(source.get_weights(), target.weights, strict=True)
                ]
            )
        start += model.backbone.embedding_dim


def _placed(value: np.ndarray, shape: Sequence[int], first: int) -> np.ndarray:
    """A kernel as rows of a larger one of zeros, from `first` on; other weights as they are."""
    if value.shape == tuple(shape):
        return value
    larger = np.zeros(shape, value.dtype)
    larger[first : first + len(value)] = value
    return larger
