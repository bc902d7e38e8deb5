"""Image captioning: one-to-many."""

from recipes.captioning.schema import CaptioningConfig
from zoo.training.schema import RecipeSpec

RECIPE = RecipeSpec("captioning", CaptioningConfig, "recipes.captioning.recipe:CaptioningRecipe")
