"""Recurrent layers run fast: the one place where a layer's arithmetic differs by backend."""

from zoo.layers.recurrence.dispatch import run_recurrent
from zoo.layers.recurrence.scanning import scan

__all__ = ["run_recurrent", "scan"]
