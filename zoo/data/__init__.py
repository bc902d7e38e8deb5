"""Named datasets, generated datasets, and datasets of a user's files.

`zoo.data.batches` is not imported here, because it imports Keras.
"""

from zoo.data.behaviour import BEHAVIOUR_SETS, behaviour_set
from zoo.data.captioned_files import load_captioned, read_captioned
from zoo.data.dataset import Columns, Dataset, DatasetCard, RemoteFile
from zoo.data.glossaries import read_glossary
from zoo.data.labelled_files import load_labelled, read_labelled
from zoo.data.parallel_files import load_parallel, read_parallel
from zoo.data.registry import get, list_datasets, load, path
from zoo.data.tagged import tag_set
from zoo.data.tagged_files import load_tagged, read_tagged
from zoo.data.text_files import load_texts, read_texts
from zoo.data.transcribed_files import load_transcribed, read_transcribed

__all__ = [
    "BEHAVIOUR_SETS",
    "Columns",
    "Dataset",
    "DatasetCard",
    "RemoteFile",
    "behaviour_set",
    "get",
    "list_datasets",
    "load",
    "load_captioned",
    "load_labelled",
    "load_parallel",
    "load_tagged",
    "load_texts",
    "load_transcribed",
    "path",
    "read_captioned",
    "read_glossary",
    "read_labelled",
    "read_parallel",
    "read_tagged",
    "read_texts",
    "read_transcribed",
    "tag_set",
]
