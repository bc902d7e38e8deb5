"""Exports models as graphs that run without this library and without Keras.

>>> model = zoo.load("bilstm_crf_ewt_en_upos")  # on TensorFlow
>>> zoo.exporting.export(model, "tagger")
Check(sentences=100, difference=3.6e-07)
"""

from zoo.exporting.exporter import Check, ExportError, check_format, check_task, export
from zoo.exporting.formats import BACKEND, FORMATS, OTHER_BACKENDS, REFUSED
from zoo.exporting.search import SEARCH

__all__ = [
    "BACKEND",
    "FORMATS",
    "OTHER_BACKENDS",
    "REFUSED",
    "SEARCH",
    "Check",
    "ExportError",
    "check_format",
    "check_task",
    "export",
]
