"""Strings of digits, made of the recordings of the Free Spoken Digit Dataset."""

import hashlib
import json
import random
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.audio import AudioFile, read_audio, wav_bytes
from zoo.checks import check_integer
from zoo.data.dataset import MAX_GENERATED, Columns, Dataset, as_dataset, check_sizes
from zoo.data.fsdd import Fsdd, by, check_speaker, join
from zoo.extras import need

if TYPE_CHECKING:
    import numpy as np

RATE = 8_000  # samples per second
SPEED = 0.15  # largest relative change of speed, and with it of pitch
PAUSE, MARGIN = (0.02, 0.35), (0.0, 0.25)  # seconds between digits, and before and after them
QUIET = 0.25  # share of the strings without noise
SIGNAL_TO_NOISE = (8.0, 35.0)  # decibels
RUMBLE = 0.9  # largest coefficient of the filter that leaves noise of low frequencies
MAX_DIGITS = 50


@dataclass(frozen=True)
class DigitString(AudioFile):
    """A string of digits, which is put together when it is read.

    Attributes:
        digits: The recordings, by one speaker.
        pauses: The seconds of silence before each digit, and after the last.
        speed: The factor by which the digits are spoken faster, and higher.
        noise: The signal-to-noise ratio in decibels; `None` for no noise.
        rumble: The coefficient of the filter of the noise; 0 for white noise.
        seed: Seed of the noise.
    """

    digits: tuple[AudioFile, ...] = ()
    pauses: tuple[float, ...] = ()
    speed: float = 1.0
    noise: float | None = None
    rumble: float = 0.0
    seed: int = 0

    def samples(self) -> "np.ndarray":
        """Float32 `[samples]` at 8 kHz."""
        import numpy as np

        need("speech", "Speech at another speed", "soxr")
        import soxr

        parts = []
        for digit, pause in zip(self.digits, self.pauses, strict=False):
            spoken = soxr.resample(read_audio(digit, RATE), RATE * self.speed, RATE)
            parts += [np.zeros(round(pause * RATE), "float32"), spoken]
        parts.append(np.zeros(round(self.pauses[-1] * RATE), "float32"))
        joined = np.concatenate(parts)
        if self.noise is None:
            return joined
        spoken = np.concatenate(parts[1::2])
        return joined + _noise(len(joined), self.seed, self.rumble) * np.float32(
            np.sqrt(np.mean(spoken**2)) * 10 ** (-self.noise / 20)
        )

    def read(self) -> bytes:
        return wav_bytes(self.samples(), RATE)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of what the string is made of; its samples may differ between versions."""
        made_of: list[Any] = [digit.sha256 for digit in self.digits]
        made_of += [self.pauses, self.speed, self.noise, self.rumble, self.seed]
        return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


class FsddStrings(Fsdd):
    """Strings of digits by one speaker each, with pauses, at changed speed, most with noise.

    The strings of a split are made of the recordings of that split of `fsdd` alone.
    """

    card = replace(
        Fsdd.card,
        name="fsdd_strings",
        description="Strings of English digits made of the recordings of fsdd, with noise.",
        splits={"train": 6_000, "dev": 300, "test": 500},
    )

    def path(self) -> Path | None:
        return Fsdd().path()

    def get(self) -> Path:
        return Fsdd().get()

    def load(  # type: ignore[override]
        self,
        train: int = 6_000,
        dev: int = 300,
        test: int = 500,
        seed: int = 0,
        shortest: int = 1,
        longest: int = 7,
        dev_speaker: str = "",
        test_speaker: str = "",
        singles: int = 0,
    ) -> Dataset:
        """Makes three splits.

        Args:
            train: int. Number of strings of train.
            dev: int. Number of strings of dev.
            test: int. Number of strings of test; 0 for no test split.
            seed: int. Seed of the strings. Defaults to `0`.
            shortest: int. Fewest digits of a string. Defaults to `1`.
            longest: int. Most digits of a string. Defaults to `7`.
            dev_speaker: A speaker whose recordings, all of them, are those of dev, and of no other
                split. By default dev has all speakers.
            test_speaker: Likewise for test.
            singles: int. Number of single recordings that train has besides, as they are: without
                a silence around them. Defaults to `0`.
        """
        sizes = {"train": train, "dev": dev, "test": test}
        check_sizes(sizes)
        check_integer("shortest", shortest, 1, MAX_DIGITS)
        check_integer("longest", longest, shortest, MAX_DIGITS)
        check_integer("singles", singles, 0, MAX_GENERATED)
        check_speaker("dev_speaker", dev_speaker)
        check_speaker("test_speaker", test_speaker)
        if dev_speaker and dev_speaker == test_speaker:
            raise ValueError(
                "dev_speaker and test_speaker must differ, or dev would say nothing about new "
                f"voices. Received: {dev_speaker!r} for both"
            )
        recordings = self.recordings()
        for split, speaker in (("dev", dev_speaker), ("test", test_speaker)):
            if speaker:
                own = join(by(columns, speaker) for columns in recordings.values())
                recordings = {
                    name: by(columns, speaker, False) for name, columns in recordings.items()
                }
                recordings[split] = own
        splits = {
            split: _strings(split, recordings[split], size, seed, (shortest, longest))
            for split, size in sizes.items()
            if size
        }
        splits["train"] = join([splits["train"], _chosen(recordings["train"], singles, seed)])
        return as_dataset(self.card, splits)


def _strings(
    split: str, recordings: Columns, size: int, seed: int, lengths: tuple[int, int]
) -> Columns:
    """The first strings of a split."""
    source = random.Random(f"{seed} {split}")
    takes: dict[str, dict[str, list[AudioFile]]] = {}
    for audio, word, speaker in zip(*recordings.values(), strict=True):
        takes.setdefault(speaker, {}).setdefault(word, []).append(audio)
    columns: Columns = {"audio": [], "text": [], "speaker": []}
    for number in range(size):
        speaker = source.choice(sorted(takes))
        words = source.choices(sorted(takes[speaker]), k=source.randint(*lengths))
        between = [source.uniform(*PAUSE) for _ in words[1:]]
        string = DigitString(
            f"{split}_{number:05}_{speaker}.wav",
            digits=tuple(source.choice(takes[speaker][word]) for word in words),
            pauses=(source.uniform(*MARGIN), *between, source.uniform(*MARGIN)),
            speed=source.uniform(1 - SPEED, 1 + SPEED),
            noise=None if source.random() < QUIET else source.uniform(*SIGNAL_TO_NOISE),
            rumble=source.uniform(0, RUMBLE),
            seed=source.getrandbits(32),
        )
        for values, value in zip(columns.values(), (string, " ".join(words), speaker), strict=True):
            values.append(value)
    return columns


def _chosen(recordings: Columns, number: int, seed: int) -> Columns:
    """Recordings in a random order, all of them before one comes again."""
    source = random.Random(f"{seed} singles")
    rows: list[int] = []
    while len(rows) < number:
        rows += source.sample(range(len(recordings["text"])), len(recordings["text"]))
    return {name: [values[row] for row in rows[:number]] for name, values in recordings.items()}


def _noise(length: int, seed: int, rumble: float) -> "np.ndarray":
    """Noise of power 1, of low frequencies where `rumble` is near 1: `[length]`."""
    import numpy as np

    need("train", "Noise in recordings", "scipy")
    from scipy.signal import lfilter

    white = np.random.default_rng(seed).standard_normal(length)
    colored = lfilter([np.sqrt(1 - rumble**2)], [1, -rumble], white)
    return colored.astype("float32")
