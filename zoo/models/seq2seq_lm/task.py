"""Sequence-to-sequence task with beam search, scores and attention maps."""

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.checks import check_number
from zoo.choices import PURPOSES, check_choice
from zoo.conflicts import check, copy_conflicts
from zoo.explain import Alignment
from zoo.explain.words import END, group_words
from zoo.layers import PointerGenerator
from zoo.layers.copying import SMALLEST
from zoo.models.batching import (
    bucket_size,
    predict,
    run_batches,
)
from zoo.models.checks import (
    check_texts,
)
from zoo.models.explaining import by_word, chosen_methods, without
from zoo.models.generation import GenerationTask
from zoo.models.generation.teacher_forcing import token_losses
from zoo.models.gradients import gradient_times_input
from zoo.models.seq2seq_lm.backbone import Seq2SeqLMBackbone
from zoo.models.seq2seq_lm.preprocessor import Seq2SeqLMPreprocessor
from zoo.models.seq2seq_lm.writing import MIN_LENGTH, TextWriter
from zoo.search_options import SEARCH_BOUNDS
from zoo.tokenizers import CharacterTokenizer, SymbolTokenizer


@keras.saving.register_keras_serializable("zoo")
class Seq2SeqLM(TextWriter, GenerationTask):
    """Maps a text to another, such as its translation: many-to-many.

    Args:
        backbone: A `Seq2SeqLMBackbone`.
        preprocessor: A `Seq2SeqLMPreprocessor`, or `None`.
        languages: The codes of the source and the target language, such as `("en", "de")`.
            `score` splits words by the rules of the target language. Defaults to `None`, unknown.
        copy: bool. Whether the decoder can copy tokens of the source, as a pointer-generator: see
            `zoo.layers.PointerGenerator`. Needs attention and one vocabulary. A recurrent decoder
            copies by its attention, a Transformer by a further one. Defaults to `False`.
        purpose: `"translation"`, `"summarization"` or `"dialogue"`, which decides what `score`
            measures. Defaults to `"translation"`.
        length_penalty: float. Wu's alpha in a beam search for which none is given, such as the best
            on dev: see `zoo.search_options.SearchOptions`. Defaults to `1.0`.

    Raises:
        ValueError: if `languages` is not a pair of strings, the backbone cannot copy, the purpose
            is unknown, or the length penalty out of its range.

    Example:

    >>> model = zoo.load("gru_bahdanau_multi30k_en_de")
    >>> model.infer(["A man rides a bike."], beam=5)
    """

    backbone_cls = Seq2SeqLMBackbone
    preprocessor_cls = Seq2SeqLMPreprocessor

    def __init__(
        self,
        backbone,
        preprocessor=None,
        languages=None,
        copy=False,
        purpose="translation",
        length_penalty=1.0,
        **kwargs,
    ):
        _check_languages(languages)
        check_choice("purpose", purpose, PURPOSES)
        check_number("length_penalty", length_penalty, *SEARCH_BOUNDS["length_penalty"])
        check(copy_conflicts(copy, backbone.attention, backbone.source_vocabulary_size))
        self.pointer_generator: Any = None  # a `PointerGenerator`
        if copy:
            self.pointer_generator = PointerGenerator(
                backbone.units if backbone.attention == "transformer" else None,
                dtype=backbone.dtype_policy,
                name="pointer_generator",
            )
        super().__init__(backbone, preprocessor, **kwargs)

        # === Config ===
        self.languages = None if languages is None else tuple(languages)
        self.copy = copy
        self.purpose = purpose
        self.length_penalty = length_penalty

    def get_config(self):
        return super().get_config() | {
            "languages": None if self.languages is None else list(self.languages),
            "copy": self.copy,
            "purpose": self.purpose,
            "length_penalty": self.length_penalty,
        }

    def build_outputs(self, encoded):
        logits = super().build_outputs(encoded)
        if self.pointer_generator is None:
            return logits
        token_ids, mask = self.encoder_inputs(self.backbone.input)
        logits, self.copy_weights_output, _ = self.pointer_generator(
            logits,
            encoded["decoder_sequence_output"],
            encoded["encoder_sequence_output"],
            token_ids,
            memory_mask=mask,
            weights=encoded["attention_weights"],
        )
        return logits

    def writer(self, encoder_inputs, memory):
        if self.pointer_generator is None:
            return super().writer(encoder_inputs, memory)
        copy = self._copier(encoder_inputs, memory)

        def write(states, weights):
            if len(states.shape) == 3:
                return copy(states, weights)[0]
            states, weights = (
                ops.reshape(
                    rows, (ops.shape(memory)[0], -1, ops.shape(rows)[-1])
                )  # [batch, beams, ...]
                for rows in (states, weights)
            )
            logits = copy(states, weights)[0]
            return ops.reshape(logits, (-1, logits.shape[-1]))

        return write

    def _copier(self, encoder_inputs, memory):
        """The `PointerGenerator` on inputs: a function of states and attention weights."""
        token_ids, mask = encoder_inputs
        keys = self.pointer_generator.project_keys(memory)
        return lambda states, weights: self.pointer_generator(
            self.head(states),
            states,
            memory,
            token_ids,
            memory_mask=mask,
            weights=weights,
            projected_keys=keys,
        )

    def explain(self, text: str, method: str | None = None, pieces: bool = False) -> Alignment:
        """Explains the translation of `infer`: the contribution of each word to each written word.

        Args:
            text: str. One text.
            method: `"attention"`: the weights from target to source, and of a model that copies
                what it copied. `"occlusion"`: what the
                log-probability of a written word loses when a source word is left out.
                `"gradient"`: gradient × input, of the log-odds of the tokens of a word. Defaults to
                `None`: attention and occlusion; occlusion alone of a model without attention.
            pieces: bool. Whether to explain the tokens in place of words. Defaults to `False`.
                Characters and symbols are always explained one by one.

        Returns:
            A `zoo.explain.Alignment`, which `.save("map.png")` draws.

        Raises:
            TypeError: if `text` is not a string.
            ValueError: if it has no tokens, the method is unknown, or `"attention"` is asked of
                a model without.

        References:
            - Attention alone does not explain an answer: Jain and Wallace 2019.
        """
        methods = chosen_methods(method, self.backbone.attention != "none")
        (text,) = check_texts([text])
        (encoded,) = self._encode([text])
        if len(encoded) == 1:
            raise ValueError(f"An empty text has nothing to explain. Received: text={text!r}")
        inputs = self._collate([encoded], bucket_size(len(encoded), MIN_LENGTH))
        found = self.search()(*inputs)
        ids = found.tokens[0, 0, : int(found.lengths[0, 0])]
        tokenizer = self.preprocessor.source_tokenizer
        read = tokenizer.pieces(self.preprocessor.source_text(text.strip()))[: len(encoded) - 1]
        source = group_words([*read, END], pieces or isinstance(tokenizer, CharacterTokenizer))
        characters = isinstance(self.preprocessor.tokenizer, CharacterTokenizer)
        target = group_words(self.pieces(ids), pieces or characters)
        weights: Any = None
        effects: Any = None
        copied: Any = None

        def of_words(values):
            """`[target, source]` of tokens: the means over a target word, sums over a source's."""
            rows = [values[list(word.tokens), : len(encoded)].mean(axis=0) for word in target]
            return by_word(np.stack(rows), source)

        if "attention" in methods:
            weights = of_words(self.attention_weights(inputs, ids))
            if self.copy:
                copied = of_words(self.copied_shares(inputs, ids))
        if "occlusion" in methods:
            effects = self._occlusion(encoded, source, ids, target)
        if "gradient" in methods:
            products = self._gradient(encoded, ids, target)
            effects = by_word(products[:, : len(encoded)], source, core=True)
        return Alignment(
            [word.text for word in source],
            [word.text for word in target],
            weights,
            text=text.strip(),
            translation=self.text(ids),
            effects=effects,
            method="gradient" if "gradient" in methods else "occlusion",
            measured=f"what the log-probability of a written {_unit(self.preprocessor.tokenizer)} "
            f"(in nats) loses without the {_unit(tokenizer)}",
            part=_unit(tokenizer),
            copied=copied,
        )

    def copied_shares(self, encoder_inputs, token_ids):
        """The share of each token's probability that copies each source token, `[target, source]`.

        What is missing to 1 is written from the vocabulary.

        Args:
            encoder_inputs: The token ids and the mask of one text, `[1, source]` each.
            token_ids: The tokens of the output: `[target]`.
        """
        previous, labels = self._forced(token_ids)
        found = predict(self._scorer, [*encoder_inputs, previous])
        generated = found["generated"][0, :, None]
        copying = (1 - generated) * found["copy_weights"][0]  # [target, source]
        total = generated + copying.sum(axis=-1, keepdims=True)  # 1, unless the attention is less
        probabilities = total * np.exp(-token_losses(found["logits"], labels))[0, :, None]
        same = encoder_inputs[0] == labels[0, :, None]
        return (copying * same / np.maximum(probabilities, SMALLEST))[: len(token_ids)]

    def forced_outputs(self, encoder_inputs, memory, states, weights):
        outputs = super().forced_outputs(encoder_inputs, memory, states, weights)
        if self.pointer_generator is None:
            return outputs
        logits, weights, generated = self._copier(encoder_inputs, memory)(states, weights)
        return outputs | {"logits": logits, "copy_weights": weights, "generated": generated}

    def _occlusion(self, encoded, source, ids, target):
        """The loss of each written word without each source word, `[target, source]`."""
        *words, _ = source  # the end token is never left out
        variants = [encoded, *(without(encoded, word) for word in words)]

        def run(batch):
            inputs = self._collate(batch.take(variants), batch.length)
            found = self.log_probabilities(inputs, ids)[: len(batch.rows)]
            return by_word(found, target)  # [rows, target words]

        whole, *others = run_batches(run, [len(ids) for ids in variants], 64, MIN_LENGTH)
        return np.stack([*(whole - other for other in others), np.zeros_like(whole)], axis=1)

    def _gradient(self, encoded, ids, target):
        """Gradient × input of the log-odds of each written word, `[target words, source]`."""
        inputs = self._collate([encoded], bucket_size(len(encoded), MIN_LENGTH))
        embedded = ops.convert_to_numpy(self.backbone.embed_source(inputs[0]))

        def function(embedded):
            tensors = tuple(map(ops.convert_to_tensor, inputs))
            encoded = self.backbone.encode_embedded(embedded, tensors[1])
            odds = self.token_log_odds(ids, tensors, encoded)
            return ops.stack([ops.sum(odds[word.tokens[0] : word.tokens[-1] + 1])
                              for word in target])  # fmt: skip

        return gradient_times_input(function, embedded)[:, 0]


def _unit(tokenizer) -> str:
    """The units of a text that are explained: words, or the characters or symbols it is read in."""
    if isinstance(tokenizer, SymbolTokenizer):
        return "symbol"
    return "character" if isinstance(tokenizer, CharacterTokenizer) else "word"


def _check_languages(languages: Any) -> None:
    if languages is None:
        return
    is_pair = isinstance(languages, list | tuple) and len(languages) == 2
    if not is_pair or not all(isinstance(code, str) for code in languages):
        raise ValueError(
            "`languages` must be the codes of the source and the target language, such as "
            f"('en', 'de'), or None. Received: languages={languages!r}"
        )
