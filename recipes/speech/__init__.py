"""Speech recognition: many-to-many, without an alignment."""

from recipes.speech.schema import SpeechConfig
from zoo.training.schema import RecipeSpec

RECIPE = RecipeSpec("speech", SpeechConfig, "recipes.speech.recipe:SpeechRecipe")
