"""Base classes of models that generate text."""

from zoo.models.generation.backbone import GenerationBackbone
from zoo.models.generation.outputs import Generation, Hypothesis
from zoo.models.generation.task import GenerationTask
from zoo.search_options import SearchOptions

__all__ = ["Generation", "GenerationBackbone", "GenerationTask", "Hypothesis", "SearchOptions"]
