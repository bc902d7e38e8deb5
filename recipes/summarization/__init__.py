"""Summarization: many-to-many, with copied words."""

from recipes.summarization.schema import SummarizationConfig
from zoo.training.schema import RecipeSpec

RECIPE = RecipeSpec(
    "summarization", SummarizationConfig, "recipes.summarization.recipe:SummarizationRecipe"
)
