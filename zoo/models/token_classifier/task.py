"""Token classification task with tags, spans, intents, scores and attention maps."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import keras_hub
import numpy as np

from zoo.checks import MAX_BEAM, check_integer
from zoo.choices import HEADS, check_choice
from zoo.conflicts import check, pointer_conflicts
from zoo.decoding.programs import built_once
from zoo.explain import Alignment
from zoo.layers import LinearChainCRF, SequencePooling, WordPointer
from zoo.layers.crf.independent import IndependentTags
from zoo.layers.pointing import ITSELF
from zoo.metrics import tagging_scores
from zoo.models.batching import predict, rows_within, run_batches
from zoo.models.checks import (
    check_columns,
    check_names,
    warn_of_fewer,
)
from zoo.models.explaining import chosen_methods
from zoo.models.pipelines import holds_text, in_python, join_words, name_ids, split_words
from zoo.models.token_classifier.answers import Answer, Span, Tagging
from zoo.models.token_classifier.backbone import TokenClassifierBackbone
from zoo.models.token_classifier.explaining import MIN_LENGTH, TaggingExplainer
from zoo.models.token_classifier.preprocessor import TokenClassifierPreprocessor
from zoo.models.token_classifier.sentences import words_of
from zoo.models.token_classifier.string_embeddings import check_reads_the_same
from zoo.tags import SCHEMES, bio_constraints, spans
from zoo.unicode import compose

SMALLEST = 1e-30  # probability in a loss, which stays finite


@keras.saving.register_keras_serializable("zoo")
class TokenClassifier(keras_hub.models.Task):
    """Maps each word of a sentence to a tag, and the sentence to an intent: synced many-to-many.

    Outputs by name: `tags`, the potentials of the tags `[batch, words, tags]`; and with intents
    `intent`, their logits `[batch, intents]`.

    `fit` and `evaluate` take sentences as `infer` does and the tags of each, as a list of names or
    as one string with spaces; with intents a dictionary of `"tags"` and `"intent"`.

    Args:
        backbone: A `TokenClassifierBackbone`.
        preprocessor: A `TokenClassifierPreprocessor`, or `None`.
        tags: The names of the tags, in the order of their ids.
        head: `"softmax"`: the tags of a sentence are independent; `"crf"`: a linear-chain CRF; or
            `"pointer"`: the tag of a word is the number of the word that it refers to, from `"1"`,
            or `"O"`, and the weights of the backbone's self-attention are their probabilities, see
            `zoo.layers.WordPointer`. Defaults to `"crf"`.
        scheme: `"bio"`, `"bioes"` or `"io"` if the tags mark spans: either head then predicts
            only well-formed sequences. Defaults to `None`.
        intents: The names of the intents of sentences. Defaults to none.

    Raises:
        ValueError: if the head or the scheme is unknown, names are not different strings, or the
            preprocessor is for other language models than those of the backbone.

    Example:

    >>> model = zoo.load("bilstm_crf_ewt_en_upos")
    >>> model.infer(["The cat sat.", ["Cats", "sit"]])
    >>> model.compile("adam", "auto")
    >>> model.fit([["Cats", "sit"], ["Dogs", "bark"]], [["NOUN", "VERB"], ["NOUN", "VERB"]])
    """

    backbone_cls = TokenClassifierBackbone
    preprocessor_cls = TokenClassifierPreprocessor

    def __init__(
        self, backbone, preprocessor=None, tags=(), head="crf", scheme=None, intents=(), **kwargs
    ):
        tags = check_names("tags", tags, min_count=1)
        intents = check_names("intents", intents, min_count=0)
        check_choice("head", head, HEADS)
        check(pointer_conflicts(head, backbone.attention, tags, intents))
        if scheme not in (None, *SCHEMES):
            raise ValueError(
                f"`scheme` must be None or one of {list(SCHEMES)}. Received: scheme={scheme!r}"
            )

        if preprocessor is not None:
            check_reads_the_same(backbone, preprocessor)

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
        if head == "pointer":
            places = [ITSELF if tag == "O" else int(tag) - 1 for tag in tags]
            point = WordPointer(places, dtype="float32", name="potentials")
            states = hidden = backbone.attention_output
            potentials = point(states)
        else:
            hidden = backbone.output
            potentials = keras.layers.Dense(len(tags), dtype=dtype, name="potentials")(states)
        outputs = {"tags": self.crf(potentials, inputs["padding_mask"])}
        if intents:
            pool = SequencePooling("bahdanau", backbone.bidirectional, dtype=dtype, name="pooling")
            vector, weights = pool(states, inputs["padding_mask"])
            self.intent_attention = weights  # [batch, 1, words]
            outputs["intent"] = keras.layers.Dense(len(intents), dtype=dtype, name="intent")(vector)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.hidden, self.states = hidden, states  # the same, inside and outside the backbone
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

    def compile(self, optimizer="auto", loss="auto", **kwargs):
        """Configures training; see `keras.Model.compile`.

        Args:
            optimizer: `"auto"` is Adam with its default learning rate.
            loss: `"auto"` is the negative log-likelihood of the tags among well-formed sequences,
                plus the cross-entropy of the intent.
            **kwargs: Other arguments of `keras.Model.compile`.
        """
        if loss == "auto":
            loss = {"tags": self.crf.loss}
            if "intent" in self.output:
                loss["intent"] = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        super().compile("adam" if optimizer == "auto" else optimizer, loss, **kwargs)

    def fit(self, x=None, y=None, batch_size=None, validation_data=None, **kwargs):
        if isinstance(validation_data, tuple):
            validation_data = tuple(map(join_words, validation_data))
        return super().fit(
            join_words(x), join_words(y), batch_size, validation_data=validation_data, **kwargs
        )

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        return super().evaluate(join_words(x), join_words(y), batch_size, **kwargs)

    def predict(self, x=None, batch_size=None, **kwargs):
        return super().predict(join_words(x), batch_size, **kwargs)

    def preprocess_samples(self, x, y=None, sample_weight=None):
        """Preprocesses a batch; tags and intents may be names or ids."""
        sentences = x
        data = super().preprocess_samples(x, y, sample_weight)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if y is not None:
            y = self._targets(y, x["padding_mask"], sentences)
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def _targets(self, y, padding_mask, sentences):
        targets = dict(y) if isinstance(y, dict) else {"tags": y}
        if set(targets) != set(self.output):
            raise ValueError(
                f"The targets must be a dictionary of {list(self.output)}, or the tags alone for a "
                f"model without intents. Received: {list(targets)}"
            )
        if holds_text(targets["tags"]):
            columns = {"tags": ("int32", tuple(padding_mask.shape))}
            texts = [sentences] if holds_text(sentences) else []
            targets |= in_python(self._tag_ids, [targets["tags"], padding_mask, *texts], columns)
        if "intent" in targets and holds_text(targets["intent"]):
            targets |= in_python(
                lambda names: {"intent": name_ids("intent", self.intents, names)},
                [targets["intent"]],
                {"intent": ("int32", (None,))},
            )
        return targets

    def _tag_ids(self, tags, padding_mask, sentences=None):
        """The ids of the tags of a batch, padded: int32 `[batch, words]`.

        Those of words that the preprocessor truncated are left out.
        """
        ids = np.zeros(padding_mask.shape, "int32")
        kept = padding_mask.sum(axis=1)
        counts = kept if sentences is None else map(len, words_of(self, sentences))
        for row, names, count, words in zip(ids, tags, kept, counts, strict=True):
            found = split_words(names)
            found = names.split() if found is None else found
            if len(found) != words:
                raise ValueError(
                    f"Each {self.units[:-1]} needs one tag; give sentences as lists of "
                    f"{self.units} where a text would be split differently. "
                    f"Received: {words} {self.units}, tags {found}"
                )
            row[:count] = name_ids("tags", self.tags, found[:count])
        return {"tags": ids}

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
        check_integer("n_best", n_best, 1, MAX_BEAM)
        batch_size = rows_within(batch_size, n_best * len(self.tags) ** 2)
        sentences = words_of(self, sentences)
        encoded = self.preprocessor.encode(sentences)

        def run(batch):
            inputs = self.preprocessor.collate(batch.take(encoded), batch.length)
            outputs = self._decode(inputs)
            hypotheses = self._n_best(inputs, outputs, n_best)
            return [
                self._tagging(sentences[row], i, outputs, hypotheses)
                for i, row in enumerate(batch.rows)
            ]

        lengths = list(map(self.preprocessor.length, encoded))
        nothing = Tagging([], [], [], [], separator=self.separator)
        return run_batches(run, lengths, batch_size, MIN_LENGTH, empty=nothing)

    def probabilities(
        self, sentences: Iterable[str | Sequence[str]], batch_size: int = 64
    ) -> dict[str, np.ndarray]:
        """The probabilities of the tags of sentences, and of their intents.

        Args:
            sentences: A list of texts or lists of words, as for `infer`.
            batch_size: int. Most sentences in a batch. Defaults to `64`.

        Returns:
            `tags`, float32 `[words, tags]` with the words of all sentences in order; of a CRF the
            marginal probabilities. With intents also `intent`, `[sentences, intents]`.
        """
        encoded = self.preprocessor.encode(words_of(self, sentences))
        answers = self.decode_each(encoded, batch_size)
        tags = [answer.marginals for answer in answers]
        found = {"tags": np.concatenate([np.zeros((0, len(self.tags)), "float32"), *tags])}
        if self.intents:
            found["intent"] = np.array([answer.intents for answer in answers], "float32")
        return found

    def penalize(self, tag: str, penalty: float) -> None:
        """Lowers the score of a tag, such as `"O"`: the model answers it more rarely.

        A model that finds few of the entities, but is right in those, gains by a penalty of `"O"`.

        Args:
            tag: One of `tags`.
            penalty: float. What is subtracted from the tag's score of each word, in nats.

        Raises:
            ValueError: if there is no such tag, or the tags are places in the sentence.
        """
        potentials = self.get_layer("potentials")
        if tag not in self.tags or not isinstance(potentials, keras.layers.Dense):
            raise ValueError(
                f"A tag that is penalized must be one of {', '.join(self.tags)}, of a model that "
                f"does not point at words. Received: tag={tag!r}"
            )
        places = np.arange(len(self.tags)) == self.tags.index(tag)
        potentials.bias.assign_sub(keras.ops.cast(penalty * places, potentials.bias.dtype))

    def score(self, columns: dict[str, list], batch_size: int = 64) -> dict[str, float]:
        """Compares predicted tags with the true ones.

        Args:
            columns: `"tokens"` and `"tags"`, lists of lists of strings; and optionally
                `"intent"`, a list of strings.
            batch_size: int. Most sentences in a batch. Defaults to `64`.

        Returns:
            The scores of `zoo.metrics.tagging_scores`, of a model that points at words without
            `token_accuracy`, as nearly all words point at none; `intent_accuracy` if model and
            columns have intents; and `loss`, the mean cross-entropy of a word in nats, by the
            marginal probability of its true tag. Tags that the model lacks are left out of it.

        Raises:
            ValueError: if a column is missing, their lengths differ, or they have no rows.
        """
        has_intents = bool(self.intents) and "intent" in columns
        check_columns(columns, "tokens", "tags", *["intent"] * has_intents)
        encoded = self.preprocessor.encode(words_of(self, columns["tokens"]))
        answers = self.decode_each(encoded, batch_size)
        tags = [[self.tags[i] for i in answer.ids] for answer in answers]
        scores = tagging_scores(columns["tags"], tags, self.scheme)
        if self.head == "pointer":
            del scores["token_accuracy"]
        if has_intents:
            right = [
                answer.intent is not None and self.intents[answer.intent] == compose(intent)
                for answer, intent in zip(answers, columns["intent"], strict=True)
            ]
            scores["intent_accuracy"] = float(np.mean(right))
        loss = self._loss(columns["tags"], answers)
        return scores if loss is None else scores | {"loss": loss}

    def explain(self, sentence: str | Sequence[str], method: str | None = None) -> Alignment:
        """Explains the tags of `infer`: the contribution of each word to each tag and the intent.

        Args:
            sentence: A text, or a list of words.
            method: `"attention"`: the self-attention weights between the words. `"occlusion"`:
                what the probability of a tag (marginal, in a CRF) loses when a word is masked by
                an unknown one. `"gradient"`: gradient × input, of the log-odds of a tag before
                the CRF. Defaults to `None`: attention and occlusion; occlusion alone of a model
                without attention.

        Returns:
            A `zoo.explain.Alignment` from the words to the tagged words, after the intent if
            there is one, which `.save("map.png")` draws.

        Raises:
            ValueError: if there are no words, the method is unknown, or `"attention"` is asked
                of a model without.

        References:
            - Attention alone does not explain an answer: Jain and Wallace 2019.
        """
        methods = chosen_methods(method, self.backbone.attention != "none")
        (words,) = words_of(self, [sentence])
        if not words:
            raise ValueError(f"An empty text has nothing to explain. Received: {sentence!r}")
        (encoded,) = self.preprocessor.encode([words])
        return self._explanation.explain(words, encoded, methods)

    @built_once
    def _explanation(self):
        return TaggingExplainer(self)

    def decode_each(self, encoded: Sequence[Any], batch_size: int = 64) -> list[Answer]:
        """The best tags, their marginals and the intents of each encoded sentence."""

        def run(batch):
            inputs = self.preprocessor.collate(batch.take(encoded), batch.length)
            outputs = self._decode(inputs)
            return [
                Answer.of(outputs, row, self.preprocessor.num_words(encoded[place]))
                for row, place in enumerate(batch.rows)
            ]

        lengths = list(map(self.preprocessor.length, encoded))
        return run_batches(run, lengths, batch_size, MIN_LENGTH)

    def decode_potentials(self, potentials):
        """The best tags, int32 `[batch, words]`, and the marginal probabilities of all tags.

        Args:
            potentials: The output `tags`, `[batch, words, tags]`, as are the marginals.

        Both are 0 at padding.
        """
        if self.head == "crf" or self.scheme is not None:
            return self.crf(potentials, output="tags"), self.crf(potentials, output="marginals")
        return IndependentTags(dtype="float32")(potentials)

    @built_once
    def _decoder(self):
        """The outputs with the best tags and their marginals, as one compiled graph."""
        best, marginals = self.decode_potentials(self.output["tags"])
        return keras.Model(self.input, self.output | {"best": best, "marginals": marginals})

    def _decode(self, inputs):
        return predict(self._decoder, inputs)

    def _loss(self, tags, answers):
        """Mean cross-entropy of the true tags that the model knows; `None` if it knows none."""
        ids = {tag: i for i, tag in enumerate(self.tags)}
        losses = [
            -math.log(max(probabilities[ids[tag]], SMALLEST))
            for names, answer in zip(tags, answers, strict=True)
            for tag, probabilities in zip(map(compose, names), answer.marginals, strict=False)
            if tag in ids
        ]
        return sum(losses) / len(losses) if losses else None

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
        intent = hypotheses = referents = None
        if self.intents:
            intent = self.intents[int(outputs["intent"][row].argmax())]
        if n_best is not None:
            hypotheses = [
                ([self.tags[i] for i in sequence[:count]], float(np.exp(log_probability)))
                for sequence, log_probability in zip(n_best[0][row], n_best[1][row], strict=True)
                if np.isfinite(log_probability)
            ]
            warn_of_fewer(len(hypotheses), len(n_best[1][row]))
        if self.head == "pointer":
            referents = [self.referent(tag, words) for tag in tags]
        return Tagging(
            list(words),
            tags,
            [float(confidence) for confidence in confidences],
            self.spans_of(words, tags),
            intent,
            hypotheses,
            self.separator,
            referents,
        )

    def referent(self, tag: str, words: Sequence[str]) -> str | None:
        """The word of a sentence that a tag of a model that points stands for, if it does."""
        return None if tag == "O" else words[int(tag) - 1]

    @property
    def units(self) -> str:
        """The units of a sentence that have tags: `"words"` or `"characters"`."""
        return getattr(self.preprocessor.tokenizer, "unit", "words")

    @property
    def separator(self) -> str:
        """The text between two tokens: a space between words, nothing between characters."""
        return "" if self.units == "characters" else " "

    def spans_of(self, words: Sequence[str], tags: Sequence[str]) -> list[Span]:
        """The spans that tags mark; none without a scheme."""
        if self.scheme is None:
            return []
        join = self.separator.join
        return [Span(type, start, end, join(words[start:end])) for type, start, end in spans(tags)]
