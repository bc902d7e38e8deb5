"""Recipes: training of the zoo's models, one package per task. `zoo` does not import them."""
