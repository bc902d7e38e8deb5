"""Linear-chain conditional random field."""

import keras
import numpy as np
from keras import ops

from zoo.layers.crf.inference import IMPOSSIBLE, LinearChain
from zoo.layers.crf.loss import CRFLoss
from zoo.layers.tensors import known_values

OUTPUTS = ("potentials", "tags", "marginals")
REDUCTIONS = ("none", "sum", "mean", "token_mean")


@keras.saving.register_keras_serializable("zoo")
class LinearChainCRF(keras.layers.Layer):
    """Linear-chain conditional random field over the tags of a sequence.

    The score of the tags `y` of a sequence is the sum of their potentials, of the transitions
    from each to the next, and of the transitions into the first and out of the last:
    `s(y) = start[y_1] + Σ u_t[y_t] + Σ transitions[y_t-1, y_t] + end[y_n]`, and their
    probability is `exp(s(y)) / Z`, where `Z` sums `exp(s)` over all tag sequences.

    In a model the layer follows the layer that computes the potentials (logits, no softmax). It
    marks the padding in the potentials and returns them; `compile(loss=crf.loss)` trains with
    the negative log-likelihood. A second call on the same potentials, with `output="tags"` or
    `"marginals"`, returns the best tags or the probability of each tag:

    >>> names = ["O", "B-PER", "I-PER"]
    >>> words = keras.Input((None,), dtype="int32")
    >>> states = keras.layers.Embedding(100, 8, mask_zero=True)(words)
    >>> states = keras.layers.Bidirectional(keras.layers.GRU(8, return_sequences=True))(states)
    >>> potentials = keras.layers.Dense(len(names))(states)
    >>> crf = LinearChainCRF(len(names), allowed_transitions=bio_constraints(names))
    >>> model = keras.Model(words, crf(potentials))
    >>> model.compile("adam", loss=crf.loss)
    >>> x, y = np.array([[5, 9, 7, 0], [3, 5, 0, 0]]), np.array([[1, 2, 0, 0], [0, 1, 0, 0]])
    >>> history = model.fit(x, y, verbose=0)  # y holds ids of tags, ignored at padding
    >>> tagger = keras.Model(words, crf(potentials, output="tags"))
    >>> tagger.predict(x, verbose=0).shape
    (2, 4)

    Without a model, or in a custom `compute_loss`, use its methods on arrays: `log_likelihood`,
    `decode`, `marginals` and `n_best`. (On JAX they are faster inside a jitted function, such as
    `predict` of the tagger above.)

    All computations are in float32 or wider, whatever the precision of the model. Masked steps
    are left out, at the end, at the start or in between. A sequence without valid steps has one
    tagging, of probability one.

    Args:
        num_tags: int. Number of tags.
        allowed_transitions: Array of 0 and 1: at `[i, j]` whether tag `j` may follow tag `i`.
            With one more row and column, the last row is for the first tag of a sequence and
            the last column for the last tag. `bio_constraints` makes it from the names of tags.
            Forbidden sequences have probability zero, in training too. Or a set of pairs of tags
            that may follow each other, where `num_tags` is the start and `num_tags + 1` the end.
            Defaults to all allowed.
        initializer: Initializer of the transitions. Defaults to `"zeros"`.

    Call arguments:
        potentials: Float tensor `[batch, time, num_tags]`.
        mask: Boolean tensor `[batch, time]`, false at padding. Defaults to Keras' mask of the
            potentials, else to all true.
        output: `"potentials"`, `"tags"` or `"marginals"`. Defaults to `"potentials"`.

    Returns:
        By `output`: the potentials, float32 `[batch, time, num_tags]`, all -1e9 at padding, which
        marks it for the loss and after `predict`; the most probable sequence of tags (Viterbi),
        int32 `[batch, time]`, 0 at padding; or the probability of each tag at each step given
        the whole sequence, float32 `[batch, time, num_tags]`, 0 at padding.

    Attributes:
        loss: `CRFLoss`, the negative log-likelihood of the tags, for `compile`.
        transitions: Weight `[num_tags, num_tags]`, from row to column. Forbidden transitions have
            entries without effect. `start_transitions` and `end_transitions`: `[num_tags]`.

    Raises:
        ValueError: if a shape does not fit, or `output` is unknown.

    References:
        - Lafferty et al. 2001, "Conditional random fields".
        - In a neural tagger: Collobert et al. 2011, section 3.3.2; Lample et al. 2016,
          equation 1.
    """

    def __init__(self, num_tags, allowed_transitions=None, initializer="zeros", **kwargs):
        kwargs.setdefault("autocast", False)  # potentials keep their precision
        super().__init__(**kwargs)
        if num_tags < 1:
            raise ValueError(f"`num_tags` must be at least 1. Received: num_tags={num_tags}")
        self.num_tags = num_tags
        self.initializer = keras.initializers.get(initializer)
        self.allowed_transitions = _constraint_rows(allowed_transitions, num_tags)
        self.supports_masking = True
        options = {"initializer": self.initializer, "autocast": False}
        self.transitions = self.add_weight((num_tags, num_tags), name="transitions", **options)
        self.start_transitions = self.add_weight((num_tags,), name="start_transitions", **options)
        self.end_transitions = self.add_weight((num_tags,), name="end_transitions", **options)
        self.loss = CRFLoss(self)
        self._serialising = False

    def build(self, potentials_shape):
        _check_potentials(potentials_shape, self.num_tags)
        super().build(potentials_shape)

    def call(self, potentials, mask=None, output="potentials"):
        if output not in OUTPUTS:
            raise ValueError(f"`output` must be one of {OUTPUTS}. Received: output={output!r}")
        if output == "tags":
            return self.decode(potentials, mask)
        if output == "marginals":
            return self.marginals(potentials, mask)
        potentials, mask = self._inputs(potentials, mask)
        return ops.where(mask[:, :, None], potentials, ops.cast(IMPOSSIBLE, potentials.dtype))

    def log_likelihood(self, tags, potentials, mask=None, reduction="none"):
        """The logarithm of the probability of given tags.

        Its first derivatives are exact. It has no second derivatives, because gradients do not
        pass through the recursions, which lets it compile on every backend.

        Args:
            tags: Integer tensor `[batch, time]`, ignored at padding.
            potentials: Float tensor `[batch, time, num_tags]`.
            mask: Boolean tensor `[batch, time]`, false at padding. Defaults to the padding that
                the layer marked in the potentials.
            reduction: `"none"`; `"sum"` or `"mean"` of the sequences; or `"token_mean"`, the sum
                divided by the number of valid steps. Defaults to `"none"`.

        Returns:
            Float32 tensor `[batch]`, or a scalar.

        Raises:
            ValueError: if a shape does not fit, the reduction is unknown, a tag is out of range, or
                a transition is forbidden. In a compiled function, where values are unknown, the
                result is NaN for a tag out of range, and about -1e9 for each forbidden transition.
        """
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"`reduction` must be one of {REDUCTIONS}. Received: reduction={reduction!r}"
            )
        potentials, mask = self._inputs(potentials, mask)
        tags_shape = tuple(np.shape(tags) if isinstance(tags, list | tuple) else tags.shape)
        _check_shape("tags", tags_shape, potentials)
        self._check_values(tags, mask)
        if 0 in potentials.shape:
            return _reduced(ops.zeros(potentials.shape[:1], potentials.dtype), mask, reduction)
        tags = ops.cast(tags, "int32")
        chain = LinearChain(*self._factors(), potentials, mask)
        tags = chain.gather(tags)
        outside = ops.logical_and(ops.logical_or(tags < 0, tags >= self.num_tags), chain.valid)
        tags = ops.clip(tags, 0, self.num_tags - 1)
        result = chain.score(tags) - chain.log_partition()
        result = ops.where(ops.any(outside, axis=1), ops.cast(np.nan, result.dtype), result)
        return _reduced(result, mask, reduction)

    def divergence(self, log_probabilities, potentials, mask=None, temperature=1.0):
        """The divergence of the tags of a sequence from those of a teacher: `[batch]`, in nats.

        `KL(q ‖ p)`, where `p` is this CRF with its scores divided by the temperature. Under `q` the
        tags of a sequence are independent, each distributed by `softmax(log_probabilities / T)`.
        This is exact for a teacher with a softmax at each step. Of a CRF as a teacher, whose
        `marginals` are given, it leaves out how neighbouring tags depend on each other.

        Args:
            log_probabilities: Float tensor `[batch, time, num_tags]`, of the teacher.
            potentials: Float tensor `[batch, time, num_tags]`.
            mask: Boolean tensor `[batch, time]`. Defaults to the marked padding.
            temperature: float. `T`. Defaults to `1.0`.

        References:
            - Wang et al. 2021, "Structural knowledge distillation: tractably distilling
              information for structured predictor", equation 4 and case 2a.
        """
        potentials, mask = self._inputs(potentials, mask)
        chain = LinearChain(*self._factors(1 / temperature), potentials / temperature, mask)
        log_q = ops.cast(log_probabilities, potentials.dtype) / temperature
        log_q = chain.gather(ops.log_softmax(log_q, axis=-1))
        entropy = -ops.sum(ops.exp(log_q) * log_q, axis=-1)  # [batch, time]
        entropy = ops.sum(ops.where(chain.valid, entropy, 0.0), axis=1)
        return chain.log_partition() - chain.expected_score(ops.exp(log_q)) - entropy

    def decode(self, potentials, mask=None):
        """The most probable sequence of tags: int32 `[batch, time]`, 0 at padding.

        Args:
            potentials: Float tensor `[batch, time, num_tags]`.
            mask: Boolean tensor `[batch, time]`. Defaults to the marked padding.
        """
        potentials, mask = self._inputs(potentials, mask)
        if 0 in potentials.shape:
            return ops.zeros(potentials.shape[:2], dtype="int32")
        chain = LinearChain(*self._factors(), potentials, mask)
        return chain.scatter(chain.best_tags())

    def marginals(self, potentials, mask=None):
        """The probability of each tag at each step: `[batch, time, num_tags]`, 0 at padding.

        It has no gradient.

        Args:
            potentials: Float tensor `[batch, time, num_tags]`.
            mask: Boolean tensor `[batch, time]`. Defaults to the marked padding.
        """
        potentials, mask = self._inputs(potentials, mask)
        if 0 in potentials.shape:
            return potentials
        chain = LinearChain(*self._factors(), potentials, mask)
        return chain.scatter(chain.marginals())

    def n_best(self, potentials, n, mask=None):
        """The `n` most probable sequences of tags, the best first.

        Args:
            potentials: Float tensor `[batch, time, num_tags]`.
            n: int. Number of sequences.
            mask: Boolean tensor `[batch, time]`. Defaults to the marked padding.

        Returns:
            A pair: the tags, int32 `[batch, n, time]`, 0 at padding, and the logarithms of
            their probabilities `[batch, n]`. Where fewer than `n` sequences are possible, the rest
            have `-inf` and tags 0.

        Raises:
            ValueError: if `n` is not positive.
        """
        if n < 1:
            raise ValueError(f"`n` must be at least 1. Received: n={n}")
        potentials, mask = self._inputs(potentials, mask)
        if 0 in potentials.shape:
            batch, time = potentials.shape[:2]
            certain = [[0.0] + [-np.inf] * (n - 1)] * batch
            certain = np.array(certain, self._width).reshape(batch, n)
            return ops.zeros((batch, n, time), dtype="int32"), ops.convert_to_tensor(certain)
        chain = LinearChain(*self._factors(), potentials, mask)
        tags, log_probabilities = chain.n_best_tags(n)
        return ops.transpose(chain.scatter(tags), (0, 2, 1)), log_probabilities

    def _inputs(self, potentials, mask):
        """The potentials in float32 or wider, and a boolean mask."""
        potentials = ops.cast(potentials, self._width)
        _check_potentials(potentials.shape, self.num_tags)
        if mask is None:
            return potentials, ops.any(potentials > IMPOSSIBLE / 2, axis=-1)
        mask = ops.cast(mask, "bool")
        _check_shape("mask", mask.shape, potentials)
        return potentials, mask

    @property
    def _width(self):
        return keras.backend.result_type(self.compute_dtype, "float32")

    def _factors(self, scale=1.0):
        """Start, inner and end transitions, scaled, and lowered by `IMPOSSIBLE` where forbidden."""
        factors = [
            ops.cast(ops.convert_to_tensor(weight), self._width) * scale
            for weight in (self.start_transitions, self.transitions, self.end_transitions)
        ]
        if self.allowed_transitions is None:
            return factors
        allowed = np.array(self.allowed_transitions, "bool")
        penalty = np.where(allowed, 0.0, IMPOSSIBLE).astype(self._width)
        penalties = penalty[-1, :-1], penalty[:-1, :-1], penalty[:-1, -1]
        return [ops.add(*pair) for pair in zip(factors, penalties, strict=True)]

    def _check_values(self, tags, mask):
        tags, mask = known_values(tags), known_values(mask)
        if tags is None or mask is None:
            return
        outside = mask & ((tags < 0) | (tags >= self.num_tags) | (tags != np.floor(tags)))
        if outside.any():
            row, step = np.argwhere(outside)[0]
            raise ValueError(
                f"Tags must be whole numbers from 0 to {self.num_tags - 1} (num_tags - 1) where "
                "they are not masked. Mask the padding, or give the layer more tags. "
                f"Received: tags[{row}, {step}]={tags[row, step]}"
            )
        if self.allowed_transitions is None:
            return
        allowed = np.array(self.allowed_transitions, "bool")
        for row in range(len(tags)):
            path = [self.num_tags, *tags[row][mask[row]].astype(int).tolist(), self.num_tags]
            if len(path) == 2 or allowed[path[:-1], path[1:]].all():
                continue
            i = int(np.argmin(allowed[path[:-1], path[1:]]))
            names = ["the start", *path[1:-1], "the end"]
            raise ValueError(
                f"Tag sequences must obey `allowed_transitions`, and {names[i]} -> {names[i + 1]} "
                "is not allowed. Repair the tags, or allow the transition. "
                f"Received: tags[{row}]={path[1:-1]}"
            )

    def compute_output_spec(self, potentials, mask=None, output="potentials"):
        if output not in OUTPUTS:
            raise ValueError(f"`output` must be one of {OUTPUTS}. Received: output={output!r}")
        _check_potentials(potentials.shape, self.num_tags)
        if output == "tags":
            return keras.KerasTensor(potentials.shape[:2], dtype="int32")
        return keras.KerasTensor(potentials.shape, dtype=self._width)

    def get_build_config(self):
        # Keras marks an object as shared when it serializes it for the second time. That would be
        # with the loss, after the model's layers are written. So it is serialized here too.
        if not self._serialising:
            self._serialising = True
            try:
                keras.saving.serialize_keras_object(self)
            finally:
                self._serialising = False
        return super().get_build_config()

    def get_config(self):
        return super().get_config() | {
            "num_tags": self.num_tags,
            "allowed_transitions": self.allowed_transitions,
            "initializer": keras.initializers.serialize(self.initializer),
        }


def _constraint_rows(allowed, num_tags):
    """The table `[num_tags + 1, num_tags + 1]` as lists of 0 and 1; `None` if all are allowed."""
    if allowed is None:
        return None
    if isinstance(allowed, set | frozenset):
        allowed = _table_of_pairs(allowed, num_tags)
    table = np.asarray(allowed)
    if table.shape == (num_tags, num_tags):
        table = np.pad(table, (0, 1), constant_values=1)
    if table.shape != (num_tags + 1, num_tags + 1) or not np.isin(table, (0, 1)).all():
        raise ValueError(
            "`allowed_transitions` must be an array of 0 and 1, of shape (num_tags, num_tags), or "
            "of one more row and column for the start and the end. "
            f"Received: shape {table.shape}, num_tags={num_tags}"
        )
    return table.astype(int).tolist()


def _reduced(log_likelihoods, mask, reduction):
    """One of `REDUCTIONS` of the log-likelihoods `[batch]`."""
    if reduction == "none":
        return log_likelihoods
    if reduction == "mean":
        return ops.mean(log_likelihoods)
    total = ops.sum(log_likelihoods)
    return total / ops.sum(ops.cast(mask, total.dtype)) if reduction == "token_mean" else total


def _table_of_pairs(pairs, num_tags):
    """The table of allowed transitions, of a set of pairs."""
    table = np.zeros((num_tags + 1, num_tags + 1), int)
    for pair in pairs:
        before, after = pair if isinstance(pair, tuple) and len(pair) == 2 else (-1, -1)
        if not (0 <= before <= num_tags and 0 <= after <= num_tags + 1 and after != num_tags):
            raise ValueError(
                "`allowed_transitions` as a set must hold pairs of tags from 0 to num_tags - 1, "
                "with num_tags for the start and num_tags + 1 for the end. "
                f"Received: {pair!r}, num_tags={num_tags}"
            )
        table[before, min(after, num_tags)] = 1
    return table


def _check_potentials(shape, num_tags):
    if len(shape) != 3 or shape[-1] != num_tags:
        raise ValueError(
            "Potentials must have the shape [batch, time, num_tags]: one for each tag at each "
            f"step. Received: shape {tuple(shape)}, num_tags={num_tags}"
        )


def _check_shape(name, shape, potentials):
    shape, expected = tuple(shape), tuple(potentials.shape[:2])
    fits = len(shape) == 2 and all(
        a is None or b is None or a == b for a, b in zip(shape, expected, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`{name}` must have the first two dimensions of the potentials, [batch, time]. "
            f"Received: {name} of shape {shape}, potentials of shape {tuple(potentials.shape)}"
        )
