"""A long stream of tokens as parallel lanes, read window by window."""

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
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    @property
    def tokens(self) -> np.ndarray:
        """The number of targets of each row of a batch, `[windows * lanes]`."""
        return self.weights.sum(axis=-1).astype("int64").ravel()


def cut_into_lanes(
    stream: np.ndarray, first: int, lanes: int, length: int, offset: int = 0
) -> Lanes:
    """Cuts a stream of targets into lanes.

    Args:
        stream: int array `[tokens]`.
        first: int. The token that is read before the first one.
        lanes: int. The number of lanes.
        length: int. The number of tokens of a window.
        offset: int. Where the first lane begins; the last one goes on at the beginning of the
            stream, so that no token is lost. Defaults to `0`.

    Raises:
        ValueError: if the stream does not fill one window of each lane.
    """
    stream = np.asarray(stream, "int32")
    if len(stream) < lanes * length:
        raise ValueError(
            f"The text must fill {lanes} lanes with at least one window of {length} tokens each, "
            f"{lanes * length:,} tokens together: give more text, or set training.batch_size or "
            f"model.sequence_length lower. Received: {len(stream):,} tokens"
        )
    inputs = np.append(np.int32(first), stream[:-1])
    windows = -(-len(stream) // (lanes * length))
    lane = -(-len(stream) // lanes)  # tokens of each lane; of the last one or a few fewer

    def cut(values):
        values = np.roll(values, -offset)
        values = np.pad(values, (0, lanes * lane - len(values))).reshape(lanes, lane)
        values = np.pad(values, ((0, 0), (0, windows * length - lane)))
        return values.reshape(lanes, windows, length).swapaxes(0, 1)

    return Lanes(cut(inputs), cut(stream), cut(np.ones(len(stream), "float32")))
