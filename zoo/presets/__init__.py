"""Pretrained models: listing, loading and saving.

A preset is a directory in KerasHub's format with more files: `card.json` (description, metrics and
the checksum of every file), a `README.md` generated from it, and `history.json` (learning curves)
where they were kept. Only the standard library is imported before a model is loaded or saved.
"""

from zoo.presets.builtin import list_models
from zoo.presets.card import Card, PresetError, read_card
from zoo.presets.history import read_history
from zoo.presets.loading import load, members_of, read_task
from zoo.presets.readme import model_card, readme
from zoo.presets.saving import save, update_card
from zoo.presets.sources import resolve

__all__ = [
    "Card",
    "PresetError",
    "list_models",
    "load",
    "members_of",
    "model_card",
    "read_card",
    "read_history",
    "read_task",
    "readme",
    "resolve",
    "update_card",
    "save",
]
