"""Recipes of models with an encoder that may be pretrained."""

import functools
from typing import cast

import keras_hub

from zoo.models import CausalLM
from zoo.training import backbones, pretrained
from zoo.training.fine_tuning import FineTuningConfig
from zoo.training.language_models import check_language_models
from zoo.training.vectors import VectorsRecipe

# Layers with the weights of a language model.
STARTED = ("token_embedding", "word_embedding", "recurrent")


class EncoderRecipe(VectorsRecipe):
    """Recipe of a model with the settings of `zoo.training.fine_tuning.FineTuningConfig`.

    `training.init_from` names a model of its class, a language model, or a forward and a backward
    language model, of which `initial_model` is the first.
    """

    @functools.cached_property
    def initial_model(self) -> keras_hub.models.Task | None:
        source = self._training.init_from
        if isinstance(source, list):
            return self.language_models[0]
        return pretrained.load(source, self.Task, CausalLM) if source else None

    @functools.cached_property
    def language_models(self) -> list[CausalLM]:
        """The language models that `training.init_from` names; none if it names another model.

        Raises:
            ValueError: if an encoder cannot start from them.
        """
        source = self._training.init_from
        if isinstance(source, list):
            models = [cast(CausalLM, pretrained.load(one, CausalLM)) for one in source]
            check_language_models(models, source)
            return models
        if not isinstance(self.initial_model, CausalLM):
            return []
        check_language_models([self.initial_model], [cast(str, source)])
        return [self.initial_model]

    def differences(self, model: keras_hub.models.Task) -> list[str]:
        if not self.language_models:
            return super().differences(model)
        source = self._training.init_from
        names = " and ".join(source) if isinstance(source, list) else source
        fresh = [
            layer.name
            for layer in (*model.backbone.layers, *model.layers)
            if layer.weights and layer is not model.backbone and layer.name not in STARTED
        ]
        return [
            f"the embeddings and the encoder are those of {names}; new layers: {', '.join(fresh)}"
        ]

    def frozen_epochs(self, model: keras_hub.models.Task) -> dict[str, int]:
        epochs = super().frozen_epochs(model)
        for path, count in backbones.unfreezing_epochs(model.backbone, self._training).items():
            epochs[path] = max(count, epochs.get(path, 0))
        return epochs

    def rate_factors(self, model: keras_hub.models.Task) -> dict[str, float] | None:
        return backbones.rate_factors(model, self._training.layer_decay)

    def freeze(self, model: keras_hub.models.Task) -> None:
        """Freezes what `training.trainable_layers` leaves out.

        Raises:
            ValueError: if it, or `training.gradual_unfreezing`, does not fit the encoder.
        """
        backbones.freeze(model.backbone, self._training.trainable_layers)
        backbones.unfreezing_epochs(model.backbone, self._training)

    @property
    def _training(self) -> FineTuningConfig:
        return cast(FineTuningConfig, self.config.training)
