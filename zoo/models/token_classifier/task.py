"""The tagger: what a user holds."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import TYPE_CHECKING

import keras
import keras_hub
import numpy as np

from zoo.choices import HEADS, check_choice
from zoo.layers import LinearChainCRF, SequencePooling, bio_constraints
from zoo.models.texts import bucket, required
from zoo.models.token_classifier.backbone import TokenClassifierBackbone
from zoo.models.token_classifier.preprocessor import TokenClassifierPreprocessor

if TYPE_CHECKING:
    from zoo.explain import Alignment

SCHEMES = ("bio", "bioes")
MIN_LENGTH = 16  # words


@dataclass(frozen=True)
class Span:
    """Words that belong together.

    Attributes:
        type: What they are, the tag without its `B-` or `I-`.
        start: The place of the first word.
        end: The place after the last word.
        text: The words, with spaces between.
    """

    type: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Tagging:
    """What the model makes of one sentence.

    Attributes:
        tokens: The words.
        tags: A tag for each.
        confidences: The probability of each tag; of a CRF given the whole sentence.
        spans: Where the tags follow a scheme, the spans that they mark, else empty.
        intent: Of the sentence, where the model knows intents, else `None`.
        hypotheses: The `n_best` sequences of tags with their probabilities, where more than one
            was asked for.
    """

    tokens: list[str]
    tags: list[str]
    confidences: list[float]
    spans: list[Span]
    intent: str | None = None
    hypotheses: list[tuple[list[str], float]] | None = None

    def to_dict(self) -> dict:
        answer = asdict(self)
        for name in ("intent", "hypotheses"):
            if answer[name] is None:
                del answer[name]
        return answer


@keras.saving.register_keras_serializable("zoo")
class TokenClassifier(keras_hub.models.Task):
    """Reads a sentence and gives each word a tag: synced many-to-many.

    Outputs by name: `tags`, the potentials of each tag `[batch, words, tags]`; and with intents
    `intent`, their logits `[batch, intents]`.

    Args:
        backbone: A `TokenClassifierBackbone`.
        preprocessor: A `TokenClassifierPreprocessor`, or `None`.
        tags: The names of the tags, in the order of their ids.
        head: `"softmax"`: each word's tag is chosen by itself; or `"crf"`: all tags of the
            sentence together. Defaults to `"crf"`.
        scheme: `"bio"` or `"bioes"` where the tags mark spans: then impossible sequences are
            never given, by either head. Defaults to `None`.
        intents: The names of the intents of whole sentences. Defaults to none.

    Raises:
        ValueError: if the head or the scheme is unknown, or a name is given twice.

    Example:

    >>> model = zoo.load("bilstm_crf_ewt_en_upos")
    >>> model.infer(["The cat sat.", ["Cats", "sit"]])
    """

    backbone_cls = TokenClassifierBackbone
    preprocessor_cls = TokenClassifierPreprocessor

    def __init__(
        self, backbone, preprocessor=None, tags=(), head="crf", scheme=None, intents=(), **kwargs
    ):
        tags, intents = tuple(tags), tuple(intents)
        check_choice("head", head, HEADS)
        if scheme not in (None, *SCHEMES):
            raise ValueError(
                f"`scheme` must be None or one of {list(SCHEMES)}. Received: scheme={scheme!r}"
            )
        if not tags or len(set(tags)) < len(tags) or len(set(intents)) < len(intents):
            raise ValueError(
                "A tagger needs tags, all different, and so must intents be. "
                f"Received: tags={tags}, intents={intents}"
            )

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        dtype = backbone.dtype_policy
        allowed = None if scheme is None else bio_constraints(tags, scheme.upper())
        # Under a softmax it has nothing to learn: it only keeps the tags to the scheme.
        self.crf = LinearChainCRF(
            len(tags), allowed, trainable=head == "crf", dtype="float32", name="crf"
        )

        # === Functional graph ===
        inputs = backbone.input
        states = backbone(inputs)
        potentials = keras.layers.Dense(len(tags), dtype=dtype, name="potentials")(states)
        outputs = {"tags": self.crf(potentials, inputs["padding_mask"])}
        if intents:
            pool = SequencePooling("bahdanau", backbone.bidirectional, dtype=dtype, name="pooling")
            vector, _ = pool(states, inputs["padding_mask"])
            outputs["intent"] = keras.layers.Dense(len(intents), dtype=dtype, name="intent")(vector)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.tags = tags
        self.head = head
        self.scheme = scheme
        self.intents = intents

    def get_config(self):
        return super().get_config() | {
            "tags": list(self.tags),
            "head": self.head,
            "scheme": self.scheme,
            "intents": list(self.intents),
        }

    def infer(
        self, sentences: Iterable[str | Sequence[str]], n_best: int = 1, batch_size: int = 64
    ) -> list[Tagging]:
        """Tags sentences.

        Args:
            sentences: A list of texts, which the tokenizer splits, or of lists of words.
            n_best: int. Sequences of tags to give for each sentence. Defaults to `1`.
            batch_size: int. How many sentences are run at once. Defaults to `64`.

        Returns:
            A `Tagging` for each sentence, in order; one without tokens for an empty one.

        Raises:
            TypeError: if a sentence is neither a string nor a list of strings.
            ValueError: if a number is less than 1.
        """
        if not isinstance(n_best, Integral) or n_best < 1:
            raise ValueError(f"`n_best` must be at least 1. Received: n_best={n_best!r}")
        words = self._words(sentences)
        answers: list[Tagging] = [Tagging([], [], [], [])] * len(words)
        for rows, batch, found in self._batches(words, batch_size):
            hypotheses = self._n_best(batch, found, n_best)
            for place, row in enumerate(rows):
                answers[row] = self._answer(words[row], place, found, hypotheses)
        return answers

    def score(self, columns: dict[str, list], batch_size: int = 64) -> dict[str, float]:
        """Compares the tags with the true ones.

        Args:
            columns: `"tokens"` and `"tags"`, lists of lists of strings; and, where they are
                known, `"intent"`, a list of strings.
            batch_size: int. Defaults to `64`.

        Returns:
            What `zoo.metrics.tagging_scores` does, and `intent_accuracy` where model and columns
            have intents.
        """
        from zoo.metrics import tagging_scores

        answers = self.infer(columns["tokens"], batch_size=batch_size)
        scores = tagging_scores(columns["tags"], [answer.tags for answer in answers], self.scheme)
        if self.intents and "intent" in columns:
            pairs = zip(answers, columns["intent"], strict=True)
            right = [answer.intent == intent for answer, intent in pairs]
            scores["intent_accuracy"] = float(np.mean(right))
        return scores

    def explain(self, sentence: str | Sequence[str]) -> "Alignment":
        """What each word looked at.

        Args:
            sentence: A text, or a list of words.

        Returns:
            `zoo.explain.Alignment`, from the words to the same words, which draws itself with
            `.save("map.png")`.

        Raises:
            ValueError: if there are no words, or the model has no attention.
        """
        from zoo.explain import Alignment

        if self.backbone.attention == "none":
            raise ValueError("A model without attention looks nowhere. Received: attention='none'")
        (words,) = self._words([sentence])
        if not words:
            raise ValueError(f"An empty text has nothing to explain. Received: {sentence!r}")
        ((_, batch, found),) = self._batches([words], 1)
        answer = self._answer(words, 0, found, None)
        weights = np.asarray(self._explainer.predict_on_batch(batch), "float32")
        labels = [f"{word}/{tag}" for word, tag in zip(words, answer.tags, strict=True)]
        return Alignment(
            words,
            labels,
            weights[0, : len(words), : len(words)],
            text=" ".join(words),
            translation=" ".join(answer.tags),
        )

    @functools.cached_property
    def _explainer(self):
        return keras.Model(self.input, self.backbone.attention_output)

    @functools.cached_property
    def _reader(self):
        """All that is asked of a batch at once."""
        potentials = self.output["tags"]
        return keras.Model(
            self.input,
            self.output
            | {
                "best": self.crf(potentials, output="tags"),
                "marginals": self.crf(potentials, output="marginals"),
            },
        )

    def _words(self, sentences):
        preprocessor = required(self.preprocessor)
        if isinstance(sentences, str):
            raise TypeError(
                "Sentences come in a list, also when there is only one. "
                f"Received: sentences={sentences!r}"
            )
        words = []
        for i, sentence in enumerate(sentences):
            is_text = isinstance(sentence, str)
            if not is_text and not (
                isinstance(sentence, Sequence) and all(isinstance(word, str) for word in sentence)
            ):
                raise TypeError(
                    "Sentences must be strings or lists of words. "
                    f"Received: sentences[{i}]={sentence!r}"
                )
            words.append(preprocessor.words(sentence))
        return words

    def _batches(self, words, batch_size):
        """Yields rows, the shortest first, their batch, and what was found, as arrays."""
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise ValueError(
                f"A batch holds one sentence or more. Received: batch_size={batch_size!r}"
            )
        encoded = self.preprocessor.encode(words)
        rows = [row for row in range(len(words)) if words[row]]
        rows.sort(key=lambda row: len(words[row]))
        for start in range(0, len(rows), batch_size):
            some = rows[start : start + batch_size]
            filling = [([], [])] * (min(bucket(len(some)), batch_size) - len(some))
            length = bucket(len(words[some[-1]]), MIN_LENGTH)
            batch = self.preprocessor.collate([encoded[row] for row in some] + filling, length)
            found = self._reader.predict_on_batch(batch)
            yield some, batch, {name: np.asarray(values) for name, values in found.items()}

    def _n_best(self, batch, found, n_best):
        if n_best == 1:
            return None
        tags, log_probabilities = self.crf.n_best(found["tags"], n_best, batch["padding_mask"])
        to_array = keras.ops.convert_to_numpy
        return to_array(tags), to_array(log_probabilities).astype("float64")

    def _answer(self, words, place, found, n_best):
        count = len(words)
        ids = found["best"][place, :count]
        tags = [self.tags[i] for i in ids]
        confidences = found["marginals"][place, np.arange(count), ids]
        intent = hypotheses = None
        if self.intents:
            intent = self.intents[int(found["intent"][place].argmax())]
        if n_best is not None:
            hypotheses = [
                ([self.tags[i] for i in sequence[:count]], float(np.exp(log_probability)))
                for sequence, log_probability in zip(
                    n_best[0][place], n_best[1][place], strict=True
                )
                if np.isfinite(log_probability)
            ]
        return Tagging(
            list(words),
            tags,
            [float(confidence) for confidence in confidences],
            self._spans(words, tags),
            intent,
            hypotheses,
        )

    def _spans(self, words, tags):
        if self.scheme is None:
            return []
        from zoo.tags import spans

        return [
            Span(type, start, end, " ".join(words[start:end])) for type, start, end in spans(tags)
        ]
