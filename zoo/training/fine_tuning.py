"""Schema of recipes whose encoder may be pretrained: `model.backbone` or `training.init_from`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from zoo.conflicts import Conflict
from zoo.training.schema import RecipeConfig, TrainingConfig


class FineTuningConfig(TrainingConfig):
    """Training of recipes whose encoder may be pretrained: `model.backbone` or `init_from`."""

    init_from: str | list[str] | None = None  # type: ignore[assignment]
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    trainable_layers: Annotated[int, Field(ge=0, le=1000)] | None = None
    gradual_unfreezing: Annotated[int, Field(ge=1, le=1000)] | None = None

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if isinstance(self.init_from, list) and len(self.init_from) != 2:
            yield Conflict(
                "init_from is a model, or a list of two language models, forward and backward",
                init_from=self.init_from,
            )
        if self.gradual_unfreezing is not None and self.trainable_layers is not None:
            yield Conflict(
                "gradual_unfreezing trains all layers in the end, and trainable_layers only some: "
                "give one of them",
                gradual_unfreezing=self.gradual_unfreezing,
                trainable_layers=self.trainable_layers,
            )


def backbone_conflicts(config: RecipeConfig) -> Iterator[Conflict]:
    """Settings that a KerasHub encoder makes meaningless, and those of a pretrained encoder.

    Args:
        config: A recipe with `FineTuningConfig`, and `backbone` and `own_encoder` in `model`.
    """
    model, training = config.model, config.training  # type: ignore[attr-defined]
    if model.backbone is None:
        keys = ("layer_decay", "trainable_layers", "gradual_unfreezing")
        given = {f"training__{key}": getattr(training, key) for key in keys}
        given = {key: value for key, value in given.items() if value is not None}
        if given and training.init_from is None:
            yield Conflict(
                "they are for a pretrained encoder: set model.backbone or training.init_from",
                **given,
            )
        return
    is_path = "://" not in model.backbone and ("/" in model.backbone or model.backbone[0] in ".~")
    if is_path and not Path(model.backbone).is_dir():
        yield Conflict("there is no such directory", model__backbone=model.backbone)
    if training.init_from is not None:
        yield Conflict(
            "the encoder comes either from a preset or from a trained model: give one of them",
            model__backbone=model.backbone,
            training__init_from=training.init_from,
        )
    for name, section, keys in (
        ("model", model, model.own_encoder),
        ("tokenizer", config.tokenizer, None),  # type: ignore[attr-defined]
    ):
        fields = type(section).model_fields
        changed = {
            f"{name}__{key}": getattr(section, key)
            for key in (fields if keys is None else keys)
            if getattr(section, key) != fields[key].default
        }
        if changed:
            yield Conflict(
                "a backbone has its own encoder and tokenizer: leave out "
                + ", ".join(key.replace("__", ".") for key in changed),
                model__backbone=model.backbone,
                **changed,
            )
