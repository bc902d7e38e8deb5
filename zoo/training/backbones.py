"""Pretrained encoders: loading those of KerasHub, freezing, learning rates by layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import keras_hub

from zoo.extras import MissingExtra, install
from zoo.models.pretrained import check_encoder_class
from zoo.training.fine_tuning import FineTuningConfig


def load_tokenizer(source: str) -> keras_hub.tokenizers.Tokenizer:
    """Loads the tokenizer of an encoder, after a check of the encoder's class.

    Args:
        source: A directory in KerasHub's or Hugging Face's format, the name of a preset of
            KerasHub, `hf://OWNER/NAME` or `kaggle://OWNER/NAME/keras/VARIATION`.

    Raises:
        ValueError: if it cannot be loaded, or is no text encoder.
        MissingExtra: if a package that reads this format is not installed.
    """
    with _loading(source):
        tokenizer = keras_hub.tokenizers.Tokenizer.from_preset(source)
    if tokenizer.backbone_cls is not None:
        check_encoder_class(tokenizer.backbone_cls)
    return tokenizer


def load_encoder(source: str, dtype: Any) -> keras_hub.models.Backbone:
    """Loads an encoder with its weights.

    Args:
        source: See `load_tokenizer`.
        dtype: Dtype or dtype policy.

    Raises:
        ValueError: if it cannot be loaded.
        MissingExtra: if a package that reads this format is not installed.
    """
    with _loading(source):
        return keras_hub.models.Backbone.from_preset(source, dtype=dtype)


def check_length(encoder: Any, sequence_length: int) -> None:
    """Refuses sequences that are longer than the position embeddings of an encoder.

    Raises:
        ValueError: if they are.
    """
    longest = getattr(encoder, "max_sequence_length", None)
    if longest is not None and sequence_length > longest:
        raise ValueError(
            f"The backbone has positions for {longest} tokens: set the sequence lengths of the "
            f"recipe, such as model.sequence_length, to at most {longest}. "
            f"Received: {sequence_length}"
        )


def freeze(backbone: keras_hub.models.Backbone, trainable_layers: int | None) -> None:
    """Freezes an encoder, except its last layers.

    Args:
        backbone: A backbone of the zoo, around a KerasHub encoder too.
        trainable_layers: Number of layers to train: the last ones. `None` trains all, and the
            embeddings too; `0` none.

    Raises:
        ValueError: if the encoder has fewer layers.
    """
    if trainable_layers is None:
        return
    groups = _layer_groups(backbone)
    if trainable_layers >= len(groups):
        raise ValueError(
            f"The backbone has {len(groups) - 1} layers: set training.trainable_layers to at most "
            f"that, or null to train the embeddings too. Received: {trainable_layers}"
        )
    for group in groups[: len(groups) - trainable_layers]:
        for layer in group:
            layer.trainable = False


def rate_factors(model: keras_hub.models.Task, decay: float | None) -> dict[str, float] | None:
    """The factor of the learning rate of each variable, for layer-wise decay.

    It is 1 above the encoder, `decay` in its last layer, `decay²` in the layer below, and so on
    down to the embeddings.

    Args:
        model: A task with a backbone of the zoo, around a KerasHub encoder too.
        decay: float. `None` for one rate.

    Returns:
        The factors other than 1 by the path of the variable; `None` without decay.

    References:
        - Howard and Ruder 2018, "Universal language model fine-tuning", section 3.2
          (discriminative fine-tuning); Clark et al. 2020, "ELECTRA", appendix B.
    """
    if decay is None:
        return None
    groups = _layer_groups(model.backbone)
    return {
        variable.path: decay**depth
        for depth, group in enumerate(reversed(groups), 1)
        for layer in group
        for variable in layer.trainable_variables
    }


def unfreezing_epochs(
    backbone: keras_hub.models.Backbone, settings: FineTuningConfig
) -> dict[str, int]:
    """The first epochs, in which each weight of an encoder stays as it is (gradual unfreezing).

    With `training.gradual_unfreezing` of `k`, the first `k` epochs train what is above the encoder,
    and every `k` epochs another layer joins, the last one first, the embeddings at the end.

    Args:
        backbone: A backbone of the zoo, around a KerasHub encoder too.
        settings: The section `training`.

    Returns:
        The epochs by the path of the weight; none without gradual unfreezing.

    Raises:
        ValueError: if there are too few epochs to train the embeddings at all.

    References:
        - Howard and Ruder 2018, "Universal language model fine-tuning", section 3.3.
    """
    each = settings.gradual_unfreezing
    if each is None:
        return {}
    groups = _layer_groups(backbone)
    if settings.epochs <= each * len(groups):
        raise ValueError(
            f"With gradual unfreezing this encoder of {len(groups) - 1} layers is trained as a "
            f"whole from epoch {each * len(groups) + 1} on: set training.epochs to at least that, "
            f"or training.gradual_unfreezing lower or to null. Received: "
            f"training.epochs={settings.epochs}, training.gradual_unfreezing={each}"
        )
    return {
        variable.path: each * depth
        for depth, group in enumerate(reversed(groups), 1)
        for layer in group
        for variable in layer.trainable_variables
    }


def _layer_groups(backbone) -> list[list[keras.Layer]]:
    """The embeddings with what belongs to no layer; then each layer, the lowest first."""
    if backbone.pretrained is not None:
        named = {
            layer.name: layer
            for part in ("embed_tokens", "encode_tokens")
            for layer in backbone.get_layer(part).layers
        }
        layers = [[named.pop(name)] for name in backbone.pretrained.layer_names]
        return [list(named.values()), *layers]
    named = {layer.name: layer for layer in backbone.layers if layer.weights}
    named.pop("attention", None)  # of a tagger: above the encoder
    if backbone.encoder == "transformer":
        layers = [[named.pop(f"transformer_layer_{i}")] for i in range(backbone.num_layers)]
        layers[-1].append(named.pop("norm"))
    else:
        layers = named.pop("recurrent").stack
    return [list(named.values()), *layers]


@contextmanager
def _loading(source: str) -> Iterator[None]:
    """Turns what KerasHub and the hubs raise into one error that says what to do."""
    is_address = "://" in source
    try:
        yield
    except ImportError as error:
        command = install("huggingface")
        raise MissingExtra(
            f"This backbone needs packages that are not installed: {command}. Received: "
            f"model.backbone={source!r} ({error})",
            command,
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())
        if len(reason) > 300:
            reason = f"{reason[:300]} …"
        remedy = (
            "check the address and the network, or copy its files to this machine and give their "
            "directory"
            if is_address
            else "give a directory with a preset of KerasHub or a model of Hugging Face "
            "(config.json, model.safetensors, the tokenizer's files), the name of a KerasHub "
            "preset, or hf://OWNER/NAME"
        )
        raise ValueError(
            f"model.backbone must be a text encoder that KerasHub can load: {remedy}. "
            f"Received: {source!r} ({type(error).__name__}: {reason})"
        ) from error
