"""Pretrained models: the catalogue, loading, saving.

A preset is a directory in the format of KerasHub, with a `card.json` (what the model is, its
numbers, and the checksum of every file) and a `README.md` made from it. Only the standard
library is imported before a model is loaded or saved.
"""

from zoo.presets.builtin import list_models
from zoo.presets.card import Card, PresetError, read_card
from zoo.presets.loading import load
from zoo.presets.readme import readme
from zoo.presets.saving import save, update_card
from zoo.presets.sources import resolve

__all__ = [
    "Card",
    "PresetError",
    "list_models",
    "load",
    "read_card",
    "readme",
    "resolve",
    "update_card",
    "save",
]
