"""Contextual string embeddings: states of frozen character language models as word features."""

from typing import Any

import keras
import keras_hub
from keras import ops

from zoo.models.pretrained import deserialize
from zoo.tokenizers.characters import PADDING

DIRECTIONS = ("forward", "backward")


def frozen_copy(
    backbone: keras_hub.models.Backbone, direction: str, dtype: Any = None
) -> keras_hub.models.Backbone:
    """A copy of a language model without dropout and penalties, whose weights are not trained.

    Args:
        backbone: The `CausalLMBackbone` of the language model.
        direction: `"forward"` or `"backward"`, for its name.
        dtype: A dtype or dtype policy. Defaults to that of the language model.
    """
    (serialized,) = serialize([backbone])
    config = serialized["config"] | {"name": f"{direction}_language_model"}
    config |= {name: 0.0 for name in config if name.endswith(("_regularization", "dropout"))}
    copy = _built(serialized | {"config": config}, dtype)
    copy.set_weights(backbone.get_weights())
    copy.trainable = False
    return copy


def string_embeddings(
    models: list[keras_hub.models.Backbone], text_ids: Any, text_places: Any
) -> Any:
    """The states of each language model at the words of a sentence, side by side.

    Args:
        models: A language model, or a forward and a backward one.
        text_ids: Integer tensor `[batch, models, characters]`: the start token and the characters
            of the sentence, in the order in which each model reads them, padded on the right.
        text_places: Integer tensor `[batch, models, words]`: the step at which each model has
            read the last character of a word, which is its first one for a backward model.

    Returns:
        Float tensor `[batch, words, units of all models]`.

    References:
        - Akbik et al. 2018, "Contextual string embeddings for sequence labeling", equations 5 to 7.
    """
    found = []
    for i, model in enumerate(models):
        ids = text_ids[:, i]
        states = model({"token_ids": ids, "padding_mask": ops.not_equal(ids, PADDING)})
        found.append(ops.take_along_axis(states, text_places[:, i, :, None], axis=1))
    return found[0] if len(found) == 1 else ops.concatenate(found, axis=-1)


def with_language_models(config: dict) -> dict:
    """The config of a backbone, with its serialized language models, if it has any, built.

    They get the dtype of the backbone.

    Raises:
        ValueError: if there are more than two.
    """
    models = config.get("language_models") or ()
    if len(models) > len(DIRECTIONS):
        raise ValueError(
            "A tagger reads at most a forward and a backward language model. Received: "
            f"{len(models)} of them"
        )
    return config | {"language_models": [_built(one, config.get("dtype")) for one in models]}


def _built(model, dtype):
    if not isinstance(model, dict):
        return model
    # The paths of its weights, which the tagger's own would else have too.
    with keras.name_scope(model["config"]["name"]):
        return deserialize(model, dtype)


def serialize(models: list[keras_hub.models.Backbone]) -> list[dict]:
    """The configs of language models, without those parts that a preset leaves out."""
    configs = [keras.saving.serialize_keras_object(model) for model in models]
    parts = ("module", "class_name", "config", "registered_name")
    return [{part: config[part] for part in parts} for config in configs]
