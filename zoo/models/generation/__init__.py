"""Base classes of the models that write a text, whatever they read."""

from zoo.models.generation.backbone import GenerationBackbone
from zoo.models.generation.outputs import Generation, Hypothesis
from zoo.models.generation.task import GenerationTask

__all__ = ["Hypothesis", "GenerationTask", "GenerationBackbone", "Generation"]
