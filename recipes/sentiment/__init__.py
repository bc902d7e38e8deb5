"""Sentiment of texts: many-to-one."""

from recipes.sentiment.schema import SentimentConfig
from zoo.training.schema import RecipeSpec

RECIPE = RecipeSpec("sentiment", SentimentConfig, "recipes.sentiment.recipe:SentimentRecipe")
