"""Contextual string embeddings: states of frozen character language models as word features."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
from keras_hub.models import Backbone

from zoo.models.pretrained import deserialize
from zoo.tokenizers.characters import PADDING

DIRECTIONS = ("forward", "backward")


def frozen_copies(models: Sequence[Backbone | dict], dtype: Any = None) -> list[Backbone]:
    """Copies of language models without dropout and penalties, whose weights are not trained.

    Args:
        models: The recurrent `CausalLMBackbone` of a forward language model, or of a forward and
            of a backward one. Of a serialized one, with weights yet to be loaded, none is made
            beside the copy.
        dtype: A dtype or dtype policy. Defaults to that of each language model.

    Raises:
        ValueError: if there are more than two, or one is no recurrent language model.
    """
    if len(models) > len(DIRECTIONS):
        raise ValueError(
            "A tagger reads at most a forward and a backward language model. Received: "
            f"{len(models)} of them"
        )
    return [_copy(*pair, dtype) for pair in zip(models, DIRECTIONS, strict=False)]


def _copy(model, direction, dtype):
    serialized = model if isinstance(model, dict) else serialize([model])[0]
    config = serialized["config"] | {"name": f"{direction}_language_model"}
    config |= {name: 0.0 for name in config if name.endswith(("_regularization", "dropout"))}
    # The paths of its weights, which the tagger's own would else have too.
    with keras.name_scope(config["name"]):
        copy = deserialize(serialized | {"config": config}, dtype)
    if not getattr(copy, "carries_state", False):
        raise ValueError(
            "A tagger reads recurrent language models, a CausalLMBackbone without a Transformer. "
            f"Received: a {type(copy).__name__} with decoder={getattr(copy, 'decoder', None)!r}"
        )
    if not isinstance(model, dict):
        copy.set_weights(model.get_weights())
    copy.trainable = False
    return copy


def check_reads_the_same(backbone: Backbone, preprocessor: Any) -> None:
    """Refuses a preprocessor for other language models than those of the backbone of a tagger.

    Raises:
        ValueError: if their numbers differ, or it gives ids of characters that one lacks.
    """
    needs = [model.vocabulary_size for model in backbone.language_models]
    gives = [getattr(preprocessor, "num_characters", 0)] * getattr(preprocessor, "num_models", 0)
    if len(gives) != len(needs) or any(one > most for one, most in zip(gives, needs, strict=True)):
        raise ValueError(
            "A tagger with language models needs a ContextualTokenClassifierPreprocessor for as "
            "many, with their characters, and any other tagger one without. Received: "
            f"{_listed(needs)} in the backbone, {_listed(gives)} in the preprocessor"
        )


def _listed(sizes):
    listed = " and ".join(f"{size:,}" for size in sizes)
    return f"language models of {listed} characters" if sizes else "no language models"


def string_embeddings(models: list[Backbone], text_ids: Any, text_places: Any) -> Any:
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


def serialize(models: list[Backbone]) -> list[dict]:
    """The configs of language models, without those parts that a preset leaves out."""
    configs = [keras.saving.serialize_keras_object(model) for model in models]
    parts = ("module", "class_name", "config", "registered_name")
    return [{part: config[part] for part in parts} for config in configs]
