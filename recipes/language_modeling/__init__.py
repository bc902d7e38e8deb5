"""Language modelling: next-step prediction."""

from recipes.language_modeling.schema import LanguageModelingConfig
from zoo.training.schema import RecipeSpec

RECIPE = RecipeSpec(
    "language_modeling",
    LanguageModelingConfig,
    "recipes.language_modeling.recipe:LanguageModelingRecipe",
)
