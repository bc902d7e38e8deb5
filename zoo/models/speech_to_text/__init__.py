"""Speech recognition models."""

from zoo.models.generation import Hypothesis
from zoo.models.speech_to_text.answers import Transcription, Word
from zoo.models.speech_to_text.backbone import SpeechToTextBackbone
from zoo.models.speech_to_text.ensemble import TranscriptEnsemble
from zoo.models.speech_to_text.preprocessor import SpeechToTextPreprocessor
from zoo.models.speech_to_text.task import SpeechToText

__all__ = [
    "Hypothesis",
    "SpeechToText",
    "SpeechToTextBackbone",
    "SpeechToTextPreprocessor",
    "TranscriptEnsemble",
    "Transcription",
    "Word",
]
