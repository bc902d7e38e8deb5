"""What is exported of each task: its graph, how it is fed, and what it must be able to answer."""

from collections.abc import Sequence
from typing import Protocol

import keras
import numpy as np
from keras import ops

from zoo.models import TextClassifier, TokenClassifier
from zoo.tokenizers.words import CHARACTERS_FILE, WORDS_FILE

SENTENCES = 100
LONGEST = 128  # words of a sentence that a tagger is checked with
UNKNOWN_CHARACTER = "\U0001f9ea"
MASK = "true where there is a {}, false at the padding after the last"


class ExportAdapter(Protocol):
    """One model to be exported.

    Attributes:
        graph: The model as it answers: arrays in, answers out, by name.
        shapes: The sizes of each input and output; those with a name are open.
    """

    graph: keras.Model
    shapes: dict[str, tuple[str | int, ...]]

    def __init__(self, model): ...

    def description(self) -> dict:
        """What somebody without this library must know: JSON."""

    def sentences(self, random: np.random.Generator) -> list:
        """Inputs of many lengths, of the model's own words and of unknown ones."""

    def batch(self, sentences: list) -> dict[str, np.ndarray]:
        """The inputs of the graph, no longer than the longest sentence."""

    def expected(self, sentences: list) -> list[tuple[list[str], list[float]]]:
        """What the model itself says of each sentence: names, and probabilities."""

    def found(self, answers: dict[str, np.ndarray], row: int, sentence: Sequence):
        """The same, read from the answers of the graph."""


class Tagger:
    """The best sequence of tags, by Viterbi, and how sure each of them is."""

    def __init__(self, model: TokenClassifier):
        self.model = model
        potentials = model.output["tags"]
        tags = model.crf(potentials, output="tags")
        marginals = model.crf(potentials, output="marginals")
        outputs = {
            "tags": tags,
            "confidences": ops.take_along_axis(marginals, tags[:, :, None], axis=2)[:, :, 0],
        }
        self.shapes = {name: ("batch", "words") for name in ("word_ids", "padding_mask", *outputs)}
        self.shapes["character_ids"] = ("batch", "words", "characters")
        if model.intents:
            outputs["intents"] = _probabilities(model.output["intent"])
            self.shapes["intents"] = ("batch", len(model.intents))
        self.graph = keras.Model(model.input, outputs)

    def description(self) -> dict:
        preprocessor, model = self.model.preprocessor, self.model
        tokenizer = preprocessor.tokenizer
        lookup = "1 if there is none; Unicode's composed form (NFC)"
        meanings = {
            "word_ids": f"the line of each word in {WORDS_FILE}, the first being 2; {lookup}"
            + (", in lower case" if tokenizer.lowercase else ""),
            "padding_mask": MASK.format("word"),
            "tags": "the place of each word's tag in `tags` of this file, the first being 0",
            "confidences": "the probability of that tag, given the whole sentence",
            "intents": "the probability of each of `intents` of this file",
        }
        length = preprocessor.character_length
        if length:
            meanings["character_ids"] = (
                f"the line of each character of each word in {CHARACTERS_FILE}, the first being 2; "
                f"{lookup}, as written"
                + (", Hangul syllables decomposed (NFD)" if tokenizer.jamo else "")
                + f"; of a word of more than {length} only the first {length - length // 2} and "
                f"the last {length // 2}; 0 after its last"
            )
        labels = {"tags": model.tags, "intents": model.intents, "scheme": model.scheme}
        return _signature(self, meanings) | labels

    def sentences(self, random: np.random.Generator) -> list[list[str]]:
        tokenizer = self.model.preprocessor.tokenizer
        known, letters = tokenizer.get_vocabulary(), [*tokenizer.characters, UNKNOWN_CHARACTER]

        def word():
            if random.random() < 0.8:
                return known[random.integers(len(known))]
            return "".join(random.choice(letters, random.integers(1, 40)))

        return [[word() for _ in range(length)] for length in _lengths(LONGEST)]

    def batch(self, sentences: list[list[str]]) -> dict[str, np.ndarray]:
        preprocessor = self.model.preprocessor
        return preprocessor.collate(preprocessor.encode(sentences), max(map(len, sentences)))

    def expected(self, sentences: list[list[str]]) -> list[tuple[list[str], list[float]]]:
        answers = self.model.infer(sentences, batch_size=len(sentences))
        return [([*it.tags, *filter(None, [it.intent])], it.confidences) for it in answers]

    def found(self, answers, row, sentence) -> tuple[list[str], list[float]]:
        names = [self.model.tags[tag] for tag in answers["tags"][row, : len(sentence)]]
        if self.model.intents:
            names.append(self.model.intents[answers["intents"][row].argmax()])
        return names, answers["confidences"][row, : len(sentence)]


class Classifier:
    """The probability of each label."""

    def __init__(self, model: TextClassifier):
        self.model = model
        self.graph = keras.Model(model.input, {"probabilities": _probabilities(model.output)})
        self.shapes = {
            "token_ids": ("batch", "tokens"),
            "padding_mask": ("batch", "tokens"),
            "probabilities": ("batch", len(model.labels)),
        }

    def description(self) -> dict:
        preprocessor = self.model.preprocessor
        (vocabulary,) = preprocessor.tokenizer.file_assets
        meanings = {
            "token_ids": f"the ids that SentencePiece gives the text with {vocabulary}"
            + (", in lower case" if preprocessor.lowercase else "")
            + f"; the first {preprocessor.sequence_length} of them; "
            f"{preprocessor.tokenizer.pad_token_id} after the last",
            "padding_mask": MASK.format("token"),
            "probabilities": "the probability of each of `labels` of this file",
        }
        return _signature(self, meanings) | {"labels": self.model.labels}

    def sentences(self, random: np.random.Generator) -> list[str]:
        preprocessor = self.model.preprocessor
        vocabulary = preprocessor.tokenizer.get_vocabulary()
        pieces = [piece for piece in vocabulary if not piece.startswith("<")] + [UNKNOWN_CHARACTER]
        longer = preprocessor.sequence_length + 10  # than what is read
        texts = ["".join(random.choice(pieces, length)) for length in _lengths(longer)]
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


ADAPTERS = {TokenClassifier: Tagger, TextClassifier: Classifier}


def _probabilities(logits):
    return ops.softmax(ops.cast(logits, "float32"))


def _lengths(longest):
    """As many short ones as long ones, in orders of magnitude."""
    return np.geomspace(1, longest, SENTENCES).round().astype(int)


def _signature(subject, meanings):
    def describe(tensors):
        return {
            name: {
                "dtype": keras.backend.standardize_dtype(tensor.dtype),
                "shape": subject.shapes[name],
                "meaning": meanings[name],
            }
            for name, tensor in tensors.items()
        }

    return {"inputs": describe(subject.graph.input), "outputs": describe(subject.graph.output)}
