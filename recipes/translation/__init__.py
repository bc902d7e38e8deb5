"""Translation: many-to-many."""

from recipes.translation.schema import TranslationConfig
from zoo.training.schema import RecipeSpec

RECIPE = RecipeSpec(
    "translation", TranslationConfig, "recipes.translation.recipe:TranslationRecipe"
)
