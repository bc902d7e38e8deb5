"""Export adapters of models that write: the whole beam search is part of the graph."""

import keras
import numpy as np

from zoo.decoding import Hypotheses, beam_search
from zoo.exporting.adapters import MASK, SENTENCES, UNKNOWN_CHARACTER, lengths, signature
from zoo.exporting.search import check_search
from zoo.models import ImageToText, Seq2SeqLM
from zoo.models.generation import SearchOptions
from zoo.tokenizers import CharacterTokenizer


class SearchGraph:
    """A model with its beam search, with the interface of a functional Keras model.

    The inputs of a batch are encoded together, and then searched one after another: the tensors of
    a search need a fixed number of rows, and a batch may have any.

    Args:
        model: A `GenerationTask`.
        input: Symbolic tensors by name.
        encoder_inputs: A function from tensors by name to the arguments of the backbone's `encode`.
        options: `SearchOptions` with a `max_length`.
    """

    def __init__(self, model, input, encoder_inputs, options):
        self.model = model
        self.input = input
        self.weights = model.weights
        self.encoder_inputs = encoder_inputs
        self.options = options
        texts, length = options.n_best, options.max_length
        self.output = {
            "tokens": keras.KerasTensor((None, texts, length), "int32"),
            "scores": keras.KerasTensor((None, texts), "float32"),
            "log_probabilities": keras.KerasTensor((None, texts), "float32"),
            "lengths": keras.KerasTensor((None, texts), "int32"),
        }
        if model.has_attention:
            self.output["attention"] = keras.KerasTensor((None, texts, length, None), "float32")

    def __call__(self, inputs, training=False):
        import tensorflow as tf

        encoder_inputs = self.encoder_inputs(inputs)
        started = self.model.init_decoding(encoder_inputs, self.options.max_length)
        whole = (encoder_inputs, *started)

        def search(tensors):
            rows = keras.tree.pack_sequence_as(whole, [tensor[None] for tensor in tensors])
            found = self._search(*rows)._asdict()
            return {name: found[name][0] for name in self.output}

        specs = {
            name: tf.TensorSpec(output.shape[1:], output.dtype)
            for name, output in self.output.items()
        }
        return tf.map_fn(search, keras.tree.flatten(whole), fn_output_signature=specs)

    def _search(self, encoder_inputs, state, constants, memory_mask):
        """The `Hypotheses` of one input, `[1, n_best, ...]`."""
        options, tokenizer = self.options, self.model.preprocessor.tokenizer
        return beam_search(
            self.model.step_of(encoder_inputs, constants),
            state,
            1,
            tokenizer.start_token_id,
            tokenizer.end_token_id,
            options.max_length,
            beam=options.beam,
            n_best=options.n_best,
            length_penalty=options.length_penalty,
            coverage_penalty=options.coverage_penalty,
            min_length=options.min_length,
            no_repeat_ngram=options.no_repeat_ngram,
            repetition_penalty=options.repetition_penalty,
            return_attention="attention" in self.output,
            source_mask=memory_mask,
            pad_id=tokenizer.pad_token_id,
        )


class Writer:
    """Base class of adapters of models that write: what a search found, as texts and scores."""

    def __init__(self, model, longest, **search):
        check_search(search)
        self.model = model
        self.search = {"max_length": longest}
        self.search |= {name: value for name, value in search.items() if value is not None}
        self.options = model.completed(SearchOptions(**self.search))
        self.search["length_penalty"] = self.options.length_penalty
        model.search(self.options)  # refuses what the model cannot do

    def describe(self, meanings: dict[str, str]) -> dict:
        """The description for `model.json`, with the meanings of the inputs."""
        tokenizer = self.model.preprocessor.tokenizer
        found = {
            "tokens": f"the {written_ids(tokenizer)} of the texts that were found, best first: the "
            f"end token {tokenizer.end_token_id} after each, then {tokenizer.pad_token_id}",
            "scores": "the log-probability of each text, divided by its length penalty, with its "
            "coverage penalty; -inf if there is no further text",
            "log_probabilities": "the log-probability of each text, in nats",
            "lengths": "the number of tokens of each text, with the end token",
            "attention": "the attention weights of each token; mean over heads and layers",
        }
        return signature(self, meanings | found) | {"search": self.search}

    def expected(self, sentences: list) -> list[tuple[list[str], list[float]]]:
        answers = self.model.infer(sentences, batch_size=len(sentences), **self.search)
        return [self._compared(answer.hypotheses) for answer in answers]

    def found(self, answers, row, sentence) -> tuple[list[str], list[float]]:
        names = ("tokens", "scores", "log_probabilities", "lengths")
        arrays = {name: answers[name] for name in names}
        hypotheses = Hypotheses(**arrays, token_log_probabilities=None)
        return self._compared(self.model.hypotheses(hypotheses, row))

    @staticmethod
    def _compared(hypotheses):
        """The texts, and the exponentials of their scores, which are between 0 and 1."""
        return [it.text for it in hypotheses], [np.exp(it.score) for it in hypotheses]


class Translator(Writer):
    """Adapter of a model that writes texts for texts."""

    def __init__(self, model: Seq2SeqLM, **search):
        super().__init__(model, model.preprocessor.decoder_sequence_length, **search)
        inputs = {
            "token_ids": keras.KerasTensor((None, None), "int32"),
            "padding_mask": keras.KerasTensor((None, None), "bool"),
        }
        self.graph = SearchGraph(
            model, inputs, lambda given: (given["token_ids"], given["padding_mask"]), self.options
        )
        self.shapes = shapes(self.graph, "tokens")

    def description(self) -> dict:
        preprocessor = self.model.preprocessor
        tokenizer = preprocessor.source_tokenizer
        folder = "source/" if preprocessor.has_two_tokenizers else ""
        meanings = {
            "token_ids": f"the {written_ids(tokenizer, folder)} of the text without white space "
            "around it"
            + (", in lower case" if preprocessor.lowercase else "")
            + f"; the first {preprocessor.encoder_sequence_length - 1} of them, then the end token "
            f"{preprocessor.tokenizer.end_token_id}; {preprocessor.tokenizer.pad_token_id} for "
            "padding",
            "padding_mask": MASK.format("token, the end token included"),
        }
        return self.describe(meanings)

    def sentences(self, random: np.random.Generator) -> list[str]:
        preprocessor = self.model.preprocessor
        tokenizer, longest = preprocessor.source_tokenizer, preprocessor.encoder_sequence_length - 1
        vocabulary = [one for one in tokenizer.get_vocabulary() if not one.startswith("<")]
        if not isinstance(tokenizer, CharacterTokenizer):  # which has no bytes
            vocabulary.append(UNKNOWN_CHARACTER)
        space = getattr(tokenizer, "separator", "")

        def text(length):
            pieces = space.join(random.choice(vocabulary, length))
            text = preprocessor.source_text(pieces.replace("▁", " ").strip())
            (ids,) = tokenizer.encode([text])
            if not ids:
                return vocabulary[0].replace("▁", "") or "a"
            return tokenizer.detokenize(ids[:longest]) if len(ids) > longest else text

        return [text(length) for length in lengths(longest)]

    def batch(self, sentences: list[str]) -> dict[str, np.ndarray]:
        encoded = self.model.preprocessor.encode_source([text.strip() for text in sentences])
        found = self.model.preprocessor.collate_source(encoded, max(map(len, encoded)))
        return {
            "token_ids": found["encoder_token_ids"],
            "padding_mask": found["encoder_padding_mask"],
        }


class Captioner(Writer):
    """Adapter of a captioner: the CNN too is part of the graph."""

    def __init__(self, model: ImageToText, **search):
        super().__init__(model, model.preprocessor.sequence_length, **search)
        inputs = {"images": keras.KerasTensor((None, *model.preprocessor.size, 3), "float32")}
        self.graph = SearchGraph(model, inputs, model.encoder_inputs, self.options)
        self.shapes = shapes(self.graph, "cells")

    def description(self) -> dict:
        height, width = self.model.preprocessor.size
        return self.describe(
            {
                "images": f"RGB images, values from 0 to 255, scaled to {height} × {width} pixels "
                "whatever their proportions"
            }
        )

    def sentences(self, random: np.random.Generator) -> list[np.ndarray]:
        """Blurred noise: images whose features differ more than those of noise."""
        height, width = self.model.preprocessor.size
        coarse = random.integers(0, 256, (SENTENCES, 4, 4, 3))
        rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
        return list(coarse[:, rows][:, :, columns].astype("uint8"))

    def batch(self, sentences: list[np.ndarray]) -> dict[str, np.ndarray]:
        return {"images": self.model.preprocessor.read(sentences)}


def written_ids(tokenizer, folder=""):
    """A phrase for the ids of a tokenizer, with its file."""
    (vocabulary,) = tokenizer.file_assets
    if isinstance(tokenizer, CharacterTokenizer):
        return f"places in the list of {folder}{vocabulary}, counted from 4 (1: unknown; NFC),"
    return f"SentencePiece ids by {folder}{vocabulary}"


def shapes(graph, source):
    """The shape of each input and output; `source` is a name for what is attended to."""
    named = {
        name: ("batch", *("tokens" if size is None else size for size in tensor.shape[1:]))
        for name, tensor in graph.input.items()
    }
    for name, tensor in graph.output.items():
        named[name] = ("batch", *(source if size is None else size for size in tensor.shape[1:]))
    return named
