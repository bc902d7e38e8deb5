"""Token classification task with tags, spans, intents, scores and attention maps."""

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import keras
import keras_hub
import numpy as np

from zoo.checks import check_integer
from zoo.choices import HEADS, check_choice
from zoo.explain import Alignment
from zoo.layers import LinearChainCRF, SequencePooling
from zoo.metrics import tagging_scores
from zoo.models.batching import bucket_size, predict, run_batches
from zoo.models.checks import check_columns, check_names, require_preprocessor
from zoo.models.token_classifier.backbone import TokenClassifierBackbone
from zoo.models.token_classifier.preprocessor import TokenClassifierPreprocessor
from zoo.tags import SCHEMES, bio_constraints, spans

MIN_LENGTH = 16  # words
SMALLEST = 1e-30  # probability in a loss, which stays finite


@dataclass(frozen=True)
class Span:
    """A span of words that the tags mark.

    Attributes:
        type: The tag without its prefix `B-`, `I-`, …; `"_"` if the tags are prefixes alone.
        start: The index of the first word.
        end: The index after the last word.
        text: The words, with spaces between.
    """

    type: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Tagging:
    """The tags of one sentence.

    Attributes:
        tokens: The words.
        tags: The tag of each word.
        confidences: The probability of each tag; the marginal probability in a CRF.
        spans: The spans that the tags mark; empty without a scheme.
        intent: The intent of the sentence; `None` without intents.
        hypotheses: The `n_best` sequences of tags with their probabilities; `None` if `n_best`
            is 1.
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
    """Maps each word of a sentence to a tag, and the sentence to an intent: synced many-to-many.

    Outputs by name: `tags`, the potentials of the tags `[batch, words, tags]`; and with intents
    `intent`, their logits `[batch, intents]`.

    Args:
        backbone: A `TokenClassifierBackbone`.
        preprocessor: A `TokenClassifierPreprocessor`, or `None`.
        tags: The names of the tags, in the order of their ids.
        head: `"softmax"`: the tags of a sentence are independent; or `"crf"`: a linear-chain
            CRF. Defaults to `"crf"`.
        scheme: `"bio"`, `"bioes"` or `"io"` if the tags mark spans: either head then predicts
            only well-formed sequences. Defaults to `None`.
        intents: The names of the intents of sentences. Defaults to none.

    Raises:
        ValueError: if the head or the scheme is unknown, or names are not different strings.

    Example:

    >>> model = zoo.load("bilstm_crf_ewt_en_upos")
    >>> model.infer(["The cat sat.", ["Cats", "sit"]])
    """

    backbone_cls = TokenClassifierBackbone
    preprocessor_cls = TokenClassifierPreprocessor

    def __init__(
        self, backbone, preprocessor=None, tags=(), head="crf", scheme=None, intents=(), **kwargs
    ):
        tags = check_names("tags", tags, min_count=1)
        intents = check_names("intents", intents, min_count=0)
        check_choice("head", head, HEADS)
        if scheme not in (None, *SCHEMES):
            raise ValueError(
                f"`scheme` must be None or one of {list(SCHEMES)}. Received: scheme={scheme!r}"
            )

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        dtype = backbone.dtype_policy
        allowed = None if scheme is None else bio_constraints(tags, scheme)
        # With a softmax head its transitions stay zero: it only decodes within the scheme.
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
            n_best: int. Sequences of tags to return for each sentence. Defaults to `1`.
            batch_size: int. Most sentences in a batch. Defaults to `64`.

        Returns:
            A `Tagging` for each sentence, in order; one without tokens for an empty sentence.

        Raises:
            TypeError: if a sentence is neither a string nor a list of strings.
            ValueError: if an option is not an integer of at least 1.
        """
        check_integer("n_best", n_best, minimum=1)
        sentences = self._words(sentences)
        encoded = self.preprocessor.encode(sentences)

        def run(batch):
            inputs = self.preprocessor.collate(batch.take(encoded), batch.length)
            outputs = self._decode(inputs)
            hypotheses = self._n_best(inputs, outputs, n_best)
            return [
                self._tagging(sentences[row], i, outputs, hypotheses)
                for i, row in enumerate(batch.rows)
            ]

        lengths = [len(words) for words in sentences]
        return run_batches(run, lengths, batch_size, MIN_LENGTH, empty=Tagging([], [], [], []))

    def score(self, columns: dict[str, list], batch_size: int = 64) -> dict[str, float]:
        """Compares predicted tags with the true ones.

        Args:
            columns: `"tokens"` and `"tags"`, lists of lists of strings; and optionally
                `"intent"`, a list of strings.
            batch_size: int. Most sentences in a batch. Defaults to `64`.

        Returns:
            The scores of `zoo.metrics.tagging_scores`; `intent_accuracy` if model and columns have
            intents; and `loss`, the mean cross-entropy of a word in nats, by the marginal
            probability of its true tag. Tags that the model lacks are left out of it.

        Raises:
            ValueError: if a column is missing, their lengths differ, or they have no rows.
        """
        has_intents = bool(self.intents) and "intent" in columns
        check_columns(columns, "tokens", "tags", *["intent"] * has_intents)
        answers = self.infer(columns["tokens"], batch_size=batch_size)
        scores = tagging_scores(columns["tags"], [answer.tags for answer in answers], self.scheme)
        if has_intents:
            pairs = zip(answers, columns["intent"], strict=True)
            right = [answer.intent == intent for answer, intent in pairs]
            scores["intent_accuracy"] = float(np.mean(right))
        loss = self._loss(columns, batch_size)
        return scores if loss is None else scores | {"loss": loss}

    def explain(self, sentence: str | Sequence[str]) -> Alignment:
        """The self-attention weights between the words of a sentence.

        Args:
            sentence: A text, or a list of words.

        Returns:
            A `zoo.explain.Alignment` from the words to the same words, which
            `.save("map.png")` draws.

        Raises:
            ValueError: if there are no words, or the model has no attention.
        """
        if self.backbone.attention == "none":
            raise ValueError(
                "This model has no attention to explain; use one with another `attention`. "
                "Received: attention='none'"
            )
        (words,) = self._words([sentence])
        if not words:
            raise ValueError(f"An empty text has nothing to explain. Received: {sentence!r}")
        length = bucket_size(len(words), MIN_LENGTH)
        inputs = self.preprocessor.collate(self.preprocessor.encode([words]), length)
        tagging = self._tagging(words, 0, self._decode(inputs), None)
        weights = predict(self._explainer, inputs).astype("float32")
        labels = [f"{word}/{tag}" for word, tag in zip(words, tagging.tags, strict=True)]
        return Alignment(
            words,
            labels,
            weights[0, : len(words), : len(words)],
            text=" ".join(words),
            translation=" ".join(tagging.tags),
        )

    @functools.cached_property
    def _explainer(self):
        return keras.Model(self.input, self.backbone.attention_output)

    @functools.cached_property
    def _decoder(self):
        """The outputs with the best tags and their marginals, as one compiled graph."""
        potentials = self.output["tags"]
        return keras.Model(
            self.input,
            self.output
            | {
                "best": self.crf(potentials, output="tags"),
                "marginals": self.crf(potentials, output="marginals"),
            },
        )

    def _decode(self, inputs):
        return predict(self._decoder, inputs)

    def _loss(self, columns, batch_size):
        """Mean cross-entropy of the true tags that the model knows; `None` if it knows none."""
        sentences, ids = self._words(columns["tokens"]), {tag: i for i, tag in enumerate(self.tags)}
        encoded = self.preprocessor.encode(sentences)

        def run(batch):
            marginals = self._decode(self.preprocessor.collate(batch.take(encoded), batch.length))
            return [
                [
                    -math.log(max(probabilities[ids[tag]], SMALLEST))
                    for tag, probabilities in zip(columns["tags"][row], of_words, strict=False)
                    if tag in ids
                ]
                for row, of_words in zip(batch.rows, marginals["marginals"], strict=False)
            ]

        lengths = [len(words) for words in sentences]
        losses = [loss for row in run_batches(run, lengths, batch_size, MIN_LENGTH) for loss in row]
        return sum(losses) / len(losses) if losses else None

    def _words(self, sentences):
        """The words of each sentence."""
        preprocessor = require_preprocessor(self.preprocessor)
        if isinstance(sentences, str) or not isinstance(sentences, Iterable):
            raise TypeError(
                "Sentences must come in a list, even a single one. "
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

    def _n_best(self, inputs, outputs, n_best):
        """The best sequences of tags and their log-probabilities, as arrays."""
        if n_best == 1:
            return None
        tags, log_probabilities = self.crf.n_best(outputs["tags"], n_best, inputs["padding_mask"])
        to_array = keras.ops.convert_to_numpy
        return to_array(tags), to_array(log_probabilities).astype("float64")

    def _tagging(self, words, row, outputs, n_best):
        """The answer for one row of a batch."""
        count = len(words)
        ids = outputs["best"][row, :count]
        tags = [self.tags[i] for i in ids]
        confidences = outputs["marginals"][row, np.arange(count), ids]
        intent = hypotheses = None
        if self.intents:
            intent = self.intents[int(outputs["intent"][row].argmax())]
        if n_best is not None:
            hypotheses = [
                ([self.tags[i] for i in sequence[:count]], float(np.exp(log_probability)))
                for sequence, log_probability in zip(n_best[0][row], n_best[1][row], strict=True)
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
        return [
            Span(type, start, end, " ".join(words[start:end])) for type, start, end in spans(tags)
        ]
