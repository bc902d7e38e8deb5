"""Tagging of words: synced many-to-many."""

from recipes.tagging.schema import TaggingConfig
from zoo.training.schema import RecipeSpec

RECIPE = RecipeSpec("tagging", TaggingConfig, "recipes.tagging.recipe:TaggingRecipe")
