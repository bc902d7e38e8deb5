"""A long stream of tokens as parallel lanes, read window by window."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Lanes:
    """A stream in lanes, each of which is a contiguous part of it, cut into windows.

    A batch is a window of all lanes, and lane `i` of a batch goes on where lane `i` of the batch
    before ends, so that a recurrent state can be carried from batch to batch.

    Attributes:
        inputs: int32 array `[windows, lanes, time]`. The token before each target.
        targets: int32 array `[windows, lanes, time]`.
        weights: float32 array `[windows, lanes, time]`, 0 where the stream has ended.
        is_start: bool array `[windows, lanes]`, true where no state is carried into a window: in
            the first one, and where a text begins with the window.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    is_start: np.ndarray

    @property
    def tokens(self) -> np.ndarray:
        """The number of targets of each row of a batch, `[windows * lanes]`."""
        return self.weights.sum(axis=-1).astype("int64").ravel()


def join_texts(texts: Sequence[Sequence[int]], end: int) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of all texts, each with its end, as one stream.

    Args:
        texts: The token ids of each text.
        end: int. The end token.

    Returns:
        A pair: int32 array `[tokens]`, and bool array `[tokens]`, true where a text begins.
    """
    lengths = np.array([len(ids) + 1 for ids in texts])
    stream = np.full(lengths.sum(), end, "int32")
    begins = np.zeros(len(stream), "bool")
    firsts = np.append(0, np.cumsum(lengths)[:-1])
    begins[firsts] = True
    for first, ids in zip(firsts, texts, strict=True):
        stream[first : first + len(ids)] = ids
    return stream, begins


def cut_into_lanes(
    stream: np.ndarray, begins: np.ndarray, start: int, lanes: int, length: int, offset: int = 0
) -> Lanes:
    """Cuts a stream of targets into lanes.

    Args:
        stream: int array `[tokens]`.
        begins: bool array `[tokens]`, true where a text begins; see `join_texts`.
        start: int. The token that is read before the first one of a text.
        lanes: int. The number of lanes.
        length: int. The number of tokens of a window.
        offset: int. Where the first lane begins; the last one goes on at the beginning of the
            stream, so that no token is lost. Defaults to `0`.

    Raises:
        ValueError: if the stream does not fill one window of each lane.
    """
    if len(stream) < lanes * length:
        raise ValueError(
            f"The text must fill {lanes} lanes with at least one window of {length} tokens each, "
            f"{lanes * length:,} tokens together: give more text, or set training.batch_size or "
            f"model.sequence_length lower. Received: {len(stream):,} tokens"
        )
    inputs = np.where(begins, start, np.roll(stream, 1)).astype("int32")
    windows = -(-len(stream) // (lanes * length))
    lane = -(-len(stream) // lanes)  # tokens of each lane; of the last one or a few fewer

    def cut(values):
        values = np.roll(values, -offset)
        values = np.pad(values, (0, lanes * lane - len(values))).reshape(lanes, lane)
        values = np.pad(values, ((0, 0), (0, windows * length - lane)))
        return values.reshape(lanes, windows, length).swapaxes(0, 1)

    is_start = cut(begins)[:, :, 0]
    is_start[0] = True
    return Lanes(cut(inputs), cut(stream), cut(np.ones(len(stream), "float32")), is_start)
