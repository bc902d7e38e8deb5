"""Embedding that spends fewer weights on rarer tokens, and predicts with the same weights."""

import itertools
from collections.abc import Sequence

import keras
from keras import ops

from zoo.checks import check_integer
from zoo.conflicts import adaptive_embedding_conflicts, check


@keras.saving.register_keras_serializable("zoo")
class AdaptiveEmbedding(keras.layers.Layer):
    """Embeds frequent tokens in all dimensions, and rarer ones in fewer that are projected.

    Token ids are sorted by falling frequency. The first `cutoffs[0]` are cluster 0, those up to
    `cutoffs[1]` cluster 1, and so on. Cluster c has a table `E_c` of `embedding_dim / factor^c`
    columns, rounded down, and from cluster 1 on a matrix `P_c` of as many rows, which projects to
    `embedding_dim`: a token is embedded as its row of `E_c P_c`.

    With `reverse=True` the layer gives the logits of all tokens, `h (E_c P_c)ᵀ`, in float32: those
    of a full softmax with the same weights, not of a hierarchy of clusters.

    Args:
        vocabulary_size: int. Number of token ids.
        embedding_dim: int. Size of the embeddings.
        cutoffs: Rising ints below `vocabulary_size`: the first id of cluster 1, 2, and so on.
        factor: int. How much fewer dimensions each cluster has. Defaults to `4`.

    Call arguments:
        inputs: Integer tensor `[...]`; with `reverse`, float tensor `[..., embedding_dim]`.
        reverse: bool. Whether to return logits. Defaults to `False`.

    Returns:
        Floats `[..., embedding_dim]`; with `reverse`, float32 `[..., vocabulary_size]`.

    Raises:
        ValueError: if the cutoffs do not rise within the vocabulary, or the last cluster has no
            dimension.

    Example:

    >>> embedding = AdaptiveEmbedding(10000, 128, cutoffs=[1000, 4000])
    >>> logits = embedding(embedding(token_ids), reverse=True)

    References:
        - Baevski and Auli 2019, "Adaptive input representations for neural language modeling",
          section 3. Its output is an adaptive softmax; here it is a full one.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        cutoffs: Sequence[int],
        factor: int = 4,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_integer("factor", factor, 2)
        for cutoff in cutoffs:
            check_integer("cutoffs", cutoff, 0)
        check(adaptive_embedding_conflicts(cutoffs, factor, embedding_dim, vocabulary_size))
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.cutoffs = list(cutoffs)
        self.factor = factor

    def build(self, input_shape=None):
        # The rows of a table have norm one, and a projection keeps it: embeddings of all clusters
        # have the same variance, and so have their logits, which are small.
        keep_norm = keras.initializers.RandomNormal(stddev=self.embedding_dim**-0.5)
        self.tables, self.projections = [], []
        for c, (first, end) in enumerate(self._clusters()):
            rank = self.embedding_dim // self.factor**c
            table = self.add_weight(
                (end - first, rank),
                initializer=keras.initializers.RandomNormal(stddev=rank**-0.5),
                name=f"table_{c}",
            )
            self.tables.append(table)
            if c:
                shape = (rank, self.embedding_dim)
                self.projections.append(
                    self.add_weight(shape, initializer=keep_norm.clone(), name=f"projection_{c}")
                )
        self.built = True

    def _clusters(self):
        """The first id of each cluster, and the one after its last."""
        return itertools.pairwise((0, *self.cutoffs, self.vocabulary_size))

    def call(self, inputs, reverse=False):
        return self._logits(inputs) if reverse else self._embed(inputs)

    def _embed(self, ids):
        ids = ops.cast(ids, "int32")
        parts = []
        for c, (first, end) in enumerate(self._clusters()):
            rows = ops.take(self.tables[c], ops.clip(ids - first, 0, end - first - 1), axis=0)
            is_here = ops.logical_and(ids >= first, ids < end)
            rows = ops.cast(is_here, rows.dtype)[..., None] * rows  # [..., rank]
            parts.append(rows if c == 0 else ops.matmul(rows, self.projections[c - 1]))
        return sum(parts[1:], start=parts[0])

    def _logits(self, hidden):
        hidden = ops.cast(hidden, "float32")
        parts = []
        for c, table in enumerate(self.tables):
            projected = hidden
            if c:
                projection = ops.cast(self.projections[c - 1], "float32")
                projected = ops.matmul(hidden, ops.transpose(projection))  # [..., rank]
            parts.append(ops.matmul(projected, ops.transpose(ops.cast(table, "float32"))))
        return ops.concatenate(parts, axis=-1)

    def compute_output_spec(self, inputs, reverse=False):
        if reverse:
            shape = (*inputs.shape[:-1], self.vocabulary_size)
            return keras.KerasTensor(shape, "float32")
        return keras.KerasTensor((*inputs.shape, self.embedding_dim), self.compute_dtype)

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": self.embedding_dim,
            "cutoffs": self.cutoffs,
            "factor": self.factor,
        }
