"""Decoding: generates and scores sequences with a model that predicts the next token."""

from zoo.decoding.beam import beam_search
from zoo.decoding.blocking import token_table
from zoo.decoding.draws import Draws
from zoo.decoding.hypotheses import Hypotheses, coverage_penalty, length_penalty
from zoo.decoding.lexicon import Lexicon
from zoo.decoding.programs import compiled
from zoo.decoding.required import required_table
from zoo.decoding.sampling import sample
from zoo.decoding.scoring import score

__all__ = [
    "Draws",
    "Hypotheses",
    "Lexicon",
    "beam_search",
    "compiled",
    "coverage_penalty",
    "length_penalty",
    "required_table",
    "sample",
    "score",
    "token_table",
]
