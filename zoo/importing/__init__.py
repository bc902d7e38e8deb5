"""Weights of other libraries as layers of this one.

>>> found = zoo.importing.load("encoder.pt")  # a state dict with a `torch.nn.LSTM`
>>> found.layer
<RecurrentEncoder name=recurrent_encoder, built=True>
>>> found.difference  # the largest, on the same inputs
3.6e-07
"""

from zoo.importing.files import FileError
from zoo.importing.importer import TOLERANCE, Disagreement, Imported, load, save

__all__ = ["TOLERANCE", "Disagreement", "FileError", "Imported", "load", "save"]
