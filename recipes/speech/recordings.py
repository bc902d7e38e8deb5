"""Recordings of a split as samples, and changes of them in training."""

import sys
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from zoo.audio import AudioFile, read_audio
from zoo.extras import need

need("speech", "Training on recordings")

IN_MEMORY = 512 << 20  # bytes: nine hours at 8 kHz


class Recordings:
    """Samples of recordings, which are read once if they fit in memory, and else when needed.

    In memory they are in half precision, whose noise is 66 dB below them.

    Args:
        files: The recordings.
        rate: int. Samples per second.

    Attributes:
        lengths: The number of samples of each.

    Raises:
        zoo.audio.AudioError: if one cannot be read; the message names it.
    """

    def __init__(self, files: Sequence[AudioFile], rate: int):
        self.files, self.rate = files, rate
        self.lengths: list[int] = []
        self._kept: dict[int, np.ndarray] = {}
        room = IN_MEMORY
        hide = not sys.stderr.isatty()
        for row, file in enumerate(tqdm(files, "reading recordings", disable=hide)):
            samples = read_audio(file, rate)
            self.lengths.append(len(samples))
            room -= 2 * len(samples)
            if room >= 0:
                self._kept[row] = samples.astype("float16")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> np.ndarray:
        """Float32 `[samples]`."""
        if row in self._kept:
            return self._kept[row].astype("float32")
        return read_audio(self.files[row], self.rate)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))


def faster_length(length: int, speed: float) -> int:
    """The number of samples of a recording at another speed."""
    return max(round(length / speed), 1)


def faster(samples: np.ndarray, speed: float) -> np.ndarray:
    """A recording at another speed, and so of another pitch, with `faster_length` samples."""
    import soxr

    changed = soxr.resample(samples, speed, 1.0, quality="LQ")
    length = faster_length(len(samples), speed)
    return np.pad(changed[:length], (0, max(length - len(changed), 0)))


def noisy(samples: np.ndarray, decibels: float, random: np.random.Generator) -> np.ndarray:
    """A recording with white noise, at a signal-to-noise ratio in decibels."""
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-decibels / 20)
    return samples + np.float32(level) * random.standard_normal(len(samples), "float32")
