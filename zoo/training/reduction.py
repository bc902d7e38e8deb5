"""Token embeddings of fewer dimensions, which a recurrent encoder reads with the least error."""

from collections.abc import Sequence

import numpy as np

from zoo.models import TextClassifierBackbone


def reduced(
    table: np.ndarray, kernels: Sequence[np.ndarray], size: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Embeddings and input kernels whose product has a lower rank.

    It is the product that is nearest by least squares over all tokens (Eckart and Young 1936).

    Args:
        table: The embedding of each token, floats `[tokens, dimensions]`.
        kernels: The input kernel of each direction, floats `[dimensions, gates]`.
        size: int. The number of dimensions that are left.

    Returns:
        The embeddings, `[tokens, size]`, which vary as much as before, and the kernels,
        `[size, gates]`.
    """
    product = np.concatenate([table @ kernel for kernel in kernels], axis=1).astype("float64")
    _, vectors = np.linalg.eigh(product.T @ product)  # in rising order
    basis = vectors[:, -size:]  # [gates of all, size]
    basis = np.pad(basis, [(0, 0), (size - basis.shape[1], 0)])  # more dimensions than gates
    embeddings = product @ basis
    scale = np.std(table) / np.std(embeddings)
    kernels = np.split((basis / scale).T, len(kernels), axis=1)
    return (embeddings * scale).astype("float32"), [it.astype("float32") for it in kernels]


def copy_reduced(source: TextClassifierBackbone, target: TextClassifierBackbone) -> None:
    """Copies the weights of a recurrent backbone into one with a smaller `embedding_dim`.

    Args:
        source: The backbone to copy.
        target: A backbone that differs in `embedding_dim` alone.
    """
    for layer in source.layers:
        if layer.name not in ("token_embedding", "recurrent"):
            target.get_layer(layer.name).set_weights(layer.get_weights())
    size, old = target.embedding_dim, source.embedding_dim
    stacks = [it.get_layer("recurrent").stack for it in (source, target)]
    kernels = [layer.get_weights()[0] for layer in stacks[0][0]]
    embeddings, inputs = reduced(
        source.token_embedding.get_weights()[0], [kernel[:old] for kernel in kernels], size
    )
    target.token_embedding.set_weights([embeddings])
    for depth, (layers, copies) in enumerate(zip(*stacks, strict=True)):
        for direction, (layer, copy) in enumerate(zip(layers, copies, strict=True)):
            kernel, *others = layer.get_weights()
            if depth == 0:  # the embedding stands before the word vector
                kernel = np.concatenate([inputs[direction], kernel[old:]])
            copy.set_weights([kernel, *others])
