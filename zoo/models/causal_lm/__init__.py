"""Causal language model: predicts the next token, and by feeding it back, writes."""

from zoo.models.causal_lm.answers import Continuation
from zoo.models.causal_lm.backbone import CausalLMBackbone
from zoo.models.causal_lm.preprocessor import CausalLMPreprocessor
from zoo.models.causal_lm.task import CausalLM

__all__ = ["CausalLM", "CausalLMBackbone", "CausalLMPreprocessor", "Continuation"]
