"""Losses that Keras lacks, or computes slowly."""

import keras
from keras import ops

from zoo.layers.crf.inference import IMPOSSIBLE
from zoo.training.parallel.reduction import mean_over_devices


class LabelCrossentropy(keras.losses.Loss):
    """Cross-entropy of labels given logits, in nats, times the weight of the label.

    Args:
        label_smoothing: float. Share of the target probability spread over all labels. Defaults to
            `0.0`.
        weights: The weight of each label. Defaults to none: 1 each.

    Call arguments:
        y_true: Probabilities `[batch, labels]`; the weight of an example is their mean weight.
        y_pred: Logits `[batch, labels]`.
        sample_weight: Float tensor `[batch]`.
    """

    def __init__(self, label_smoothing=0.0, weights=(), name="label_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing
        self.weights = list(weights)

    def call(self, y_true, y_pred):
        losses = keras.losses.categorical_crossentropy(
            y_true, y_pred, from_logits=True, label_smoothing=self.label_smoothing
        )  # [batch]
        if self.weights:
            weights = ops.convert_to_tensor(self.weights, losses.dtype)
            losses = losses * ops.sum(ops.cast(y_true, losses.dtype) * weights, axis=-1)
        return losses

    def get_config(self):
        config = {"label_smoothing": self.label_smoothing, "weights": self.weights}
        return super().get_config() | config


class TokenCrossentropy(keras.losses.Loss):
    """Cross-entropy of tokens given logits, in nats: their mean, weighted by `sample_weight`.

    On torch it takes a fraction of the time of Keras' own loss on logits of three dimensions.

    Args:
        label_smoothing: float. Share of the target probability spread over the vocabulary.
            Defaults to `0.0`.

    Call arguments:
        y_true: Integer tensor `[batch, time]`.
        y_pred: Logits `[batch, time, vocabulary]`.
        sample_weight: Float tensor `[batch, time]`.

    References:
        - Label smoothing: Szegedy et al. 2016, section 7.
    """

    def __init__(self, label_smoothing=0.0, name="token_crossentropy", **kwargs):
        kwargs.setdefault("reduction", "mean_with_sample_weight")
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        shape, vocabulary = ops.shape(y_true), y_pred.shape[-1]
        logits = ops.cast(ops.reshape(y_pred, (-1, vocabulary)), "float32")
        truth = ops.reshape(ops.cast(y_true, "int32"), (-1, 1))
        if keras.config.backend() == "torch":
            from zoo.training.torch_crossentropy import TokenCrossentropyFunction

            truth = (truth[:, 0] % vocabulary).long()  # an index of -1 is the last one
            losses = TokenCrossentropyFunction.apply(logits, truth, self.label_smoothing)
            return ops.reshape(losses, shape)
        target = ops.take_along_axis(logits, truth, axis=-1)[:, 0]
        if self.label_smoothing:
            rate = self.label_smoothing
            target = (1 - rate) * target + rate * ops.mean(logits, axis=-1)
        return ops.reshape(ops.logsumexp(logits, axis=-1) - target, shape)

    def get_config(self):
        return super().get_config() | {"label_smoothing": self.label_smoothing}


class SentenceCrossentropy(keras.losses.Loss):
    """Cross-entropy of tags given their potentials, in nats, summed over a sentence as in a CRF.

    Args:
        label_smoothing: float. Share of the target probability spread over all tags.
            Defaults to `0.0`.
        weights: The weight of each tag. Defaults to none: 1 each.

    Call arguments:
        y_true: Integer tensor `[batch, words]`.
        y_pred: Potentials `[batch, words, tags]`, all -1e9 at padding.
        sample_weight: Float tensor `[batch]`.
    """

    def __init__(self, label_smoothing=0.0, weights=(), name="sentence_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.tokens = TokenCrossentropy(label_smoothing)
        self.weights = list(weights)

    def call(self, y_true, y_pred):
        valid = ops.any(y_pred > IMPOSSIBLE / 2, axis=-1)  # [batch, words]
        losses = self.tokens.call(y_true, ops.where(valid[:, :, None], y_pred, 0.0))
        if self.weights:
            weights = ops.convert_to_tensor(self.weights, losses.dtype)
            losses = losses * ops.take(weights, ops.cast(y_true, "int32"), axis=0)
        return ops.sum(losses * ops.cast(valid, losses.dtype), axis=1)

    def get_config(self):
        config = {"label_smoothing": self.tokens.label_smoothing, "weights": self.weights}
        return super().get_config() | config


def without_mask(outputs):
    """Outputs without Keras' mask of steps, which does not fit losses of examples."""
    return ops.convert_to_tensor(outputs) + 0.0


class RDrop(keras.losses.Loss):
    """R-Drop: a loss on rows in pairs, plus the divergence of the two predictions of a pair.

    Each example is two rows of the batch, one after the other, which differ by dropout alone
    (`in_pairs`). The penalty of row `i` is `alpha / 4 * (KL(p1 || p2) + KL(p2 || p1))`, so that
    the mean over the rows is half of the paper's loss of a pair.

    Args:
        loss: A `keras.losses.Loss` of logits. Its attribute `takes_mask`, true by default, tells
            whether Keras' mask of the logits applies to it.
        alpha: float. Weight of the penalty.

    References:
        - Wu et al. 2021, "R-Drop: regularized dropout for neural networks", equations 3 and 4.
    """

    def __init__(self, loss, alpha, **kwargs):
        if not isinstance(loss, keras.losses.Loss):
            raise ValueError(
                "training.r_drop needs losses of logits that are `keras.losses.Loss`: set it to 0. "
                f"Received: loss={loss!r}"
            )
        super().__init__(name=loss.name, reduction=loss.reduction, **kwargs)
        self.loss = loss
        self.alpha = alpha
        self.takes_mask = getattr(loss, "takes_mask", True)

    def __call__(self, y_true, y_pred, sample_weight=None):
        if not self.takes_mask:
            y_pred = without_mask(y_pred)
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        losses = self.loss.call(y_true, y_pred)  # [2 * batch, ...]
        logits = ops.cast(y_pred, "float32")
        pairs = ops.reshape(logits, (-1, 2, *ops.shape(logits)[1:]))
        one, other = (ops.log_softmax(pairs[:, row], axis=-1) for row in (0, 1))
        # KL(p || q) + KL(q || p) = sum (p - q) (log p - log q)
        divergence = ops.sum((ops.exp(one) - ops.exp(other)) * (one - other), axis=-1)
        while len(divergence.shape) > len(losses.shape):  # the loss of a sentence is a sum
            divergence = ops.sum(divergence, axis=-1)
        return losses + self.alpha / 4 * ops.repeat(divergence, 2, axis=0)

    def get_config(self):
        loss = keras.losses.serialize(self.loss)
        return super().get_config() | {"loss": loss, "alpha": self.alpha}


class DoublyStochastic(keras.layers.Layer):
    """Doubly stochastic attention: an identity layer that adds the regularization loss.

    The penalty of a row is `weight * sum_i (1 - sum_t a_ti)^2`, where `a_ti` is the attention
    weight of source position i in target step t. Their sum is divided by the number of steps, as
    in the mean cross-entropy of tokens, which keeps the paper's ratio of the two terms. Fully
    padded rows add nothing.

    Args:
        weight: float. Lambda in the paper.

    Call arguments:
        inputs: Any tensor; returned unchanged.
        attention: Float tensor `[batch, target, source]`.
        mask: Boolean tensor `[batch, target]`, false at padding.

    References:
        - Xu et al. 2015, "Show, Attend and Tell", section 4.2.1, equation 14.
    """

    def __init__(self, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, inputs, attention, mask):
        attention, mask = ops.cast(attention, "float32"), ops.cast(mask, "float32")
        coverage = ops.einsum("bts,bt->bs", attention, mask)  # [batch, source]
        penalty = ops.sum(ops.square(1.0 - coverage), axis=-1) * ops.max(mask, axis=-1)  # [batch]
        steps = mean_over_devices(ops.sum(mask))
        self.add_loss(self.weight * ops.divide_no_nan(ops.sum(penalty), steps))
        return inputs


class Coverage(keras.layers.Layer):
    """Coverage loss against repetition: an identity layer that adds it.

    The loss of target step t is `weight * sum_i min(a_ti, c_ti)`, where `a_ti` is the attention
    weight of source position i and `c_ti` the sum of its weights in the steps before: what is
    attended to twice is penalised. It is averaged over the steps, as the cross-entropy is. The
    attention does not read the coverage, as it can in the paper.

    Args:
        weight: float. Lambda in the paper.

    Call arguments:
        inputs: Any tensor; returned unchanged.
        attention: Float tensor `[batch, target, source]`.
        mask: Boolean tensor `[batch, target]`, false at padding.

    References:
        - See et al. 2017, "Get To The Point", section 2.3, equation 12.
    """

    def __init__(self, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, inputs, attention, mask):
        attention, mask = ops.cast(attention, "float32"), ops.cast(mask, "float32")
        before = ops.cumsum(attention, axis=1) - attention  # [batch, target, source]
        penalty = ops.sum(ops.minimum(attention, before), axis=-1) * mask  # [batch, target]
        steps = mean_over_devices(ops.sum(mask))
        self.add_loss(self.weight * ops.divide_no_nan(ops.sum(penalty), steps))
        return inputs
