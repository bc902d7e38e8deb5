"""Explanations of predictions, as figures and pages. Heavy libraries are imported when drawing."""

from zoo.explain.alignment import Alignment
from zoo.explain.caption_map import CaptionMap
from zoo.explain.gallery import Gallery
from zoo.explain.recordings import Recordings
from zoo.explain.spectrogram import Spectrogram
from zoo.explain.surprisal import Surprisal
from zoo.explain.token_weights import TokenWeights

__all__ = [
    "Alignment",
    "CaptionMap",
    "Gallery",
    "Recordings",
    "Spectrogram",
    "Surprisal",
    "TokenWeights",
]
