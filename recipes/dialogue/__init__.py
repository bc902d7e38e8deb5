"""Dialogue: many-to-many, remarks and answers."""

from recipes.dialogue.schema import DialogueConfig
from zoo.training.schema import RecipeSpec

RECIPE = RecipeSpec("dialogue", DialogueConfig, "recipes.dialogue.recipe:DialogueRecipe")
