"""Compiles the model that a recipe trains."""

import keras
import keras_hub

from zoo.data.planning import plan_batches
from zoo.training.optimizer import compile_model
from zoo.training.recipe import Recipe, TrainingExamples


def compiled(
    recipe: Recipe,
    model: keras_hub.models.Task,
    examples: TrainingExamples,
    boundaries: list[int],
) -> keras.Model:
    """The training model of a recipe, compiled, with its optimizer built.

    Args:
        recipe: The recipe.
        model: The model, with the weights that it starts from.
        examples: The training examples of the first epoch.
        boundaries: The lengths of the buckets.
    """
    settings = recipe.config.training
    batches = plan_batches(
        examples.lengths,
        boundaries,
        settings.batch_size,
        batch_tokens=settings.batch_tokens,
        multiple=int(settings.devices),
    )
    steps = settings.epochs * len(batches)
    steps = min(steps, settings.max_steps or steps)
    updates = max(steps // settings.accumulate, 1)
    training_model = recipe.training_model(model)
    frozen = recipe.frozen_epochs(model)
    compile_model(
        training_model,
        settings,
        updates,
        recipe.rate_factors(model),
        frozen_steps={path: epochs * len(batches) for path, epochs in frozen.items()},
        undecayed=recipe.undecayed_weights(model),
        **recipe.compile_options(model),
    )
    return training_model
