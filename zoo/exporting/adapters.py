"""The export adapter of each task: its graph, the description of its inputs, and test inputs."""

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from zoo.models import TextClassifier, TokenClassifier
from zoo.tokenizers import TextWordTokenizer
from zoo.tokenizers.words import CHARACTERS_FILE, WORDS_FILE

SENTENCES = 100
MAX_WORDS = 128  # in a test sentence of a tagger
UNKNOWN_CHARACTER = "\U0001f9ea"
MASK = "true for each {}, false for padding"


class ExportAdapter(Protocol):
    """Adapter of one model for export.

    Attributes:
        model: The model.
        graph: The functional model to export, with named inputs and outputs; or an object that
            has its `input`, `output` and `weights`, and is called like one.
        shapes: Shape of each input and output; a named dimension has any size.
    """

    model: Any
    graph: Any
    shapes: dict[str, tuple[str | int, ...]]

    def __init__(self, model): ...

    def description(self) -> dict:
        """The description of inputs and outputs for `model.json`."""

    def sentences(self, random: np.random.Generator) -> list:
        """Random test inputs of many lengths, with known and unknown words."""

    def batch(self, sentences: list) -> dict[str, np.ndarray]:
        """The inputs of the graph, padded to the longest sentence."""

    def expected(self, sentences: list) -> list[tuple[list[str], list[float]]]:
        """The model's own names (tags, labels, intents) and probabilities for each sentence."""

    def found(self, answers: dict[str, np.ndarray], row: int, sentence: Sequence):
        """The names and probabilities of one row of the exported graph's outputs."""


class Tagger:
    """Adapter of a tagger: the Viterbi path, and the marginal probability of each tag."""

    def __init__(self, model: TokenClassifier):
        self.model = model
        tags, marginals = model.decode_potentials(model.output["tags"])
        outputs = {
            "tags": tags,
            "confidences": ops.take_along_axis(marginals, tags[:, :, None], axis=2)[:, :, 0],
        }
        names = ("word_ids", "padding_mask", *outputs)
        self.shapes: dict[str, tuple[str | int, ...]] = dict.fromkeys(names, ("batch", "words"))
        self.shapes["character_ids"] = ("batch", "words", "characters")
        num_models = len(model.backbone.language_models)
        self.shapes["text_ids"] = ("batch", num_models, "text")
        self.shapes["text_places"] = ("batch", num_models, "words")
        if model.intents:
            outputs["intents"] = _probabilities(model.output["intent"])
            self.shapes["intents"] = ("batch", len(model.intents))
        self.graph = keras.Model(model.input, outputs)

    def description(self) -> dict:
        preprocessor, model = self.model.preprocessor, self.model
        tokenizer = preprocessor.tokenizer
        unit = tokenizer.unit.removesuffix("s")
        lookup = "1 if unknown; in Unicode's composed form (NFC)"
        meanings = {
            "word_ids": f"the line of each {unit} in {WORDS_FILE}, counted from 2; {lookup}"
            + (", in lower case" if tokenizer.lowercase else ""),
            "padding_mask": MASK.format(unit),
            "tags": f"the index of each {unit}'s tag in `tags` of this file, counted from 0",
            "confidences": "the probability of that tag, given the whole sentence",
            "intents": "the probability of each of `intents` of this file",
        }
        length = preprocessor.character_length
        if length:
            meanings["character_ids"] = (
                f"the line of each character of each word in {CHARACTERS_FILE}, counted from 2; "
                f"{lookup}, case kept"
                + (", Hangul syllables decomposed (NFD)" if tokenizer.jamo else "")
                + f"; of a word longer than {length} only the first {length - length // 2} "
                f"and the last {length // 2} characters; 0 for padding"
            )
        labels = {"tags": model.tags, "intents": model.intents, "scheme": model.scheme}
        if not model.backbone.language_models:
            return signature(self, meanings) | labels
        meanings["text_ids"] = (
            f"{preprocessor.start_token_id}, then the words with single spaces between, each "
            "character as its place in `text_characters` of this file, counted from 4, 1 if "
            "unknown; in a second row the characters in reverse; 0 for padding"
        )
        meanings["text_places"] = (
            "the index in a row of `text_ids` of the last character of each word, in a second row "
            "of its first character; 0 for padding"
        )
        characters = {"text_characters": preprocessor.text_characters}
        return signature(self, meanings) | labels | characters

    def sentences(self, random: np.random.Generator) -> list[list[str]]:
        tokenizer = self.model.preprocessor.tokenizer
        known, letters = tokenizer.get_vocabulary(), [*tokenizer.characters, UNKNOWN_CHARACTER]
        longest = 39 if tokenizer.unit == "words" else 1

        def word():
            if random.random() < 0.8:
                return known[random.integers(len(known))]
            return "".join(random.choice(letters, random.integers(1, longest + 1)))

        return [[word() for _ in range(length)] for length in lengths(MAX_WORDS)]

    def batch(self, sentences: list[list[str]]) -> dict[str, np.ndarray]:
        preprocessor = self.model.preprocessor
        encoded = preprocessor.encode(sentences)
        return preprocessor.collate(encoded, max(map(preprocessor.length, encoded)))

    def expected(self, sentences: list[list[str]]) -> list[tuple[list[str], list[float]]]:
        answers = self.model.infer(sentences, batch_size=len(sentences))
        return [([*it.tags, *filter(None, [it.intent])], it.confidences) for it in answers]

    def found(self, answers, row, sentence) -> tuple[list[str], list[float]]:
        names = [self.model.tags[tag] for tag in answers["tags"][row, : len(sentence)]]
        if self.model.intents:
            names.append(self.model.intents[answers["intents"][row].argmax()])
        return names, answers["confidences"][row, : len(sentence)]


class Classifier:
    """Adapter of a text classifier: the probability of each label."""

    def __init__(self, model: TextClassifier):
        self.model = model
        self.graph = keras.Model(
            model.input, {"probabilities": _probabilities(model.output, model.temperature)}
        )
        self.shapes = {
            "token_ids": ("batch", "tokens"),
            "padding_mask": ("batch", "tokens"),
            "probabilities": ("batch", len(model.labels)),
        }

    def description(self) -> dict:
        preprocessor = self.model.preprocessor
        (vocabulary,) = preprocessor.tokenizer.file_assets
        if isinstance(preprocessor.tokenizer, TextWordTokenizer):
            ids = f"the line of each word of the text in {vocabulary}, counted from 2; 1 if unknown"
        else:
            ids = f"the SentencePiece ids of the text with {vocabulary}"
        meanings = {
            "token_ids": ids
            + (", in lower case" if preprocessor.lowercase else "")
            + f"; the first {preprocessor.sequence_length} of them; "
            f"{preprocessor.tokenizer.pad_token_id} for padding",
            "padding_mask": MASK.format("token"),
            "probabilities": "the probability of each of `labels` of this file",
        }
        return signature(self, meanings) | {"labels": self.model.labels}

    def sentences(self, random: np.random.Generator) -> list[str]:
        preprocessor = self.model.preprocessor
        vocabulary = preprocessor.tokenizer.get_vocabulary()
        pieces = [piece for piece in vocabulary if not piece.startswith("<")] + [UNKNOWN_CHARACTER]
        max_length = preprocessor.sequence_length + 10  # some texts are truncated
        space = " " if isinstance(preprocessor.tokenizer, TextWordTokenizer) else ""
        texts = [space.join(random.choice(pieces, length)) for length in lengths(max_length)]
        return ["", *(text.replace("▁", " ") for text in texts[1:])]

    def batch(self, sentences: list[str]) -> dict[str, np.ndarray]:
        encoded = self.model.preprocessor.encode(sentences)
        return self.model.preprocessor.collate(encoded, max([1, *map(len, encoded)]))

    def expected(self, sentences: list[str]) -> list[tuple[list[str], list[float]]]:
        answers = self.model.infer(sentences, batch_size=len(sentences))
        return [([it.label], list(it.probabilities.values())) for it in answers]

    def found(self, answers, row, sentence) -> tuple[list[str], list[float]]:
        probabilities = answers["probabilities"][row]
        return [self.model.labels[probabilities.argmax()]], probabilities


def _probabilities(logits, temperature=1.0):
    return ops.softmax(ops.cast(logits, "float32") / temperature)


def lengths(max_length):
    """Test lengths, evenly spaced on a logarithmic scale."""
    return np.geomspace(1, max_length, SENTENCES).round().astype(int)


def signature(adapter, meanings):
    """The inputs and outputs of a graph with their meanings, for `model.json`."""

    def describe(tensors):
        return {
            name: {
                "dtype": keras.backend.standardize_dtype(tensor.dtype),
                "shape": adapter.shapes[name],
                "meaning": meanings[name],
            }
            for name, tensor in tensors.items()
        }

    return {"inputs": describe(adapter.graph.input), "outputs": describe(adapter.graph.output)}
