"""Recordings: reading them from files, bytes and arrays, at one rate, in bounded memory."""

from __future__ import annotations

import io
import math
import re
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING

from zoo.checks import check_integer, check_number
from zoo.extras import need
from zoo.files import DataFile

if TYPE_CHECKING:
    import numpy as np

MAX_SECONDS = 300.0
MIN_RATE, MAX_RATE = 1_000, 768_000  # samples per second
MAX_CHANNELS = 64
MAX_AMPLITUDE = 8.0  # of floats, whose full scale is 1: clipped or loud, but not whole numbers
CANCELLED = 1e-3  # of the energy of the channels: what is left of channels of opposite sign
BLOCK = 1 << 18  # samples, of all channels, that are read at a time
# What libsndfile says of a WAV, AIFF or AU file whose header promises another number of bytes than
# the file has. A program that writes to a pipe does not know it, and promises 2 GB or more.
PROMISED = re.compile(r"(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)")
UNKNOWN_BYTES = 0x7FFF0000


class AudioError(ValueError):
    """The input is no recording that can be read."""


class AudioFile(DataFile):
    """A recording of a dataset."""


def read_audio(
    source: str | Path | bytes | np.ndarray | tuple[np.ndarray, int] | DataFile,
    rate: int,
    max_seconds: float = MAX_SECONDS,
) -> np.ndarray:
    """Reads a recording: mixed down to one channel, resampled, with a full scale of 1.

    A file is decoded and resampled block by block, and its length is looked up first, so that
    memory is bounded by `rate * max_seconds`.

    Args:
        source: The path of a file, the bytes of a file, an `AudioFile`, an array at the rate
            `rate`, or a tuple of an array and its rate. Files may be WAV (8 to 32 bits, or
            floats), FLAC, OGG, MP3, AIFF and others that libsndfile knows. Arrays have the shape
            `[samples]` or `[samples, channels]`, and integers (uint8, int16, int32, at full
            scale) or floats between -1 and 1.
        rate: int. The rate of the result, in samples per second.
        max_seconds: float. The longest recording. Defaults to `300`.

    Returns:
        An array of float32, `[samples]`.

    Raises:
        FileNotFoundError: if there is no such file.
        AudioError: if the input is no audio, is cut short, has no samples, is longer than
            `max_seconds`, or has samples that are not finite.
        TypeError: if `source` is of another type.
    """
    import numpy as np

    check_integer("rate", rate, MIN_RATE, MAX_RATE)
    check_number("max_seconds", max_seconds, 0)
    if isinstance(source, tuple | list) and len(source) == 2:
        array, own_rate = source
        return _from_array(np.asarray(array), own_rate, rate, max_seconds)
    if isinstance(source, np.ndarray):
        return _from_array(source, rate, rate, max_seconds)
    if isinstance(source, bytes):
        return _read(io.BytesIO(source), f"{len(source)} bytes", rate, max_seconds)
    if isinstance(source, DataFile):
        return _read(io.BytesIO(source.read()), source.name, rate, max_seconds)
    if not isinstance(source, str | Path):
        raise TypeError(
            "A recording must be given as a path, bytes, an array, a tuple (array, rate) or an "
            f"`AudioFile`. Received: {source!r:.80} of type {type(source).__name__}"
        )
    if not Path(source).is_file():
        raise FileNotFoundError(f"There is no such file. Received: {str(source)!r}")
    with open(source, "rb") as file:
        return _read(file, str(source), rate, max_seconds)


def wav_bytes(samples: np.ndarray, rate: int) -> bytes:
    """A WAV file of 16 bits a sample.

    Args:
        samples: Floats `[samples]` with a full scale of 1; what is beyond is clipped.
        rate: int. Samples per second.
    """
    need("speech", "Reading recordings", "soundfile")
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, rate, "PCM_16", format="WAV")
    return file.getvalue()


def _read(file: IO[bytes], name: str, rate: int, max_seconds: float) -> np.ndarray:
    need("speech", "Reading recordings", "soundfile")
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            if said := PROMISED.search(sound.extra_info):
                promised, found = map(int, said.groups())
                if found < promised < UNKNOWN_BYTES:
                    raise _cut_short(name, found, promised, "bytes")
            _check(name, sound.frames, sound.channels, sound.samplerate, max_seconds)
            parts = _Parts(name, sound.samplerate, rate)
            size = BLOCK // sound.channels
            while len(block := sound.read(size, "float32", always_2d=True)):
                parts.add(block)
            if parts.frames < sound.frames:
                raise _cut_short(name, parts.frames, sound.frames, "samples")
            return parts.join()
    except (soundfile.LibsndfileError, RuntimeError) as error:
        file.seek(0)
        raise AudioError(
            "A recording must be a whole file in a format such as WAV, FLAC, OGG or MP3 "
            f"({str(error).partition(': ')[2] or error}). "
            f"Received: {name}, which begins with {file.read(16)!r}"
        ) from error


def _cut_short(name: str, found: int, promised: int, unit: str) -> AudioError:
    return AudioError(
        "A recording must be whole: save or download it again. "
        f"Received: {name}, with {found:,} of {promised:,} {unit}"
    )


def _from_array(array: np.ndarray, own_rate: int, rate: int, max_seconds: float) -> np.ndarray:
    if array.ndim not in (1, 2):
        raise AudioError(
            "An array must have the shape [samples] or [samples, channels]. "
            f"Received: shape {array.shape}"
        )
    if array.dtype.kind != "f" and array.dtype.name not in ("uint8", "int16", "int32"):
        raise AudioError(
            "An array must have floats between -1 and 1, or integers of the type uint8, int16 or "
            f"int32. Received: dtype {array.dtype}"
        )
    if own_rate != rate:
        check_integer("rate of the recording", own_rate, 1)
    channels = array.shape[1] if array.ndim == 2 else 1
    name = f"an array of shape {array.shape}"
    _check(name, len(array), channels, own_rate, max_seconds)
    parts = _Parts(name, own_rate, rate)
    for start in range(0, len(array), BLOCK):
        parts.add(_as_floats(array[start : start + BLOCK]).reshape(-1, channels))
    return parts.join()


def _as_floats(array: np.ndarray) -> np.ndarray:
    """Scales integers to a full scale of 1."""
    if array.dtype.kind == "f":
        return array.astype("float32")
    if array.dtype == "uint8":
        return (array.astype("float32") - 128) / 128
    return array.astype("float32") / 2.0 ** (8 * array.dtype.itemsize - 1)


def _check(name: str, frames: int, channels: int, rate: int, max_seconds: float) -> None:
    """Checks what the header says."""
    if not frames:
        raise AudioError(f"A recording must have samples. Received: {name}, with none")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"A recording must have {MIN_RATE:,} to {MAX_RATE:,} samples per second. "
            f"Received: {name}, with {rate:,}"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(
            f"A recording must have 1 to {MAX_CHANNELS} channels; an array has the shape "
            f"[samples, channels]. Received: {name}, with {channels}"
        )
    if frames / rate > max_seconds:
        raise AudioError(
            f"A recording may have at most {max_seconds:g} seconds: cut it into shorter ones. "
            f"Received: {name}, with {frames / rate:,.1f} seconds"
        )


class _Parts:
    """Blocks of a recording, mixed down and resampled one by one."""

    def __init__(self, name: str, own_rate: int, rate: int):
        need("speech", "Resampling", "soxr")
        import soxr

        self.name = name
        self.rates = (own_rate, rate)
        self.frames = 0
        self.parts: list[np.ndarray] = []
        self.energy = [0.0, 0.0]  # of the channels, and of their mean
        self.resampler = None
        if own_rate != rate:
            self.resampler = soxr.ResampleStream(own_rate, rate, 1, dtype="float32")

    def add(self, block: np.ndarray) -> None:
        """Adds floats `[samples, channels]`."""
        import numpy as np

        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            second = (self.frames + int(finite.argmin())) / self.rates[0]
            raise AudioError(
                "Samples must be finite numbers: leave out or repair the recording. Received: "
                f"{self.name}, which has NaN or infinity at {second:.3f} seconds"
            )
        loudest = float(np.abs(block).max())
        if loudest > MAX_AMPLITUDE:
            raise AudioError(
                "Floats must be samples between -1 and 1: divide those made of 16-bit integers by "
                f"32,768. Received: {self.name}, with values up to {loudest:,.0f}"
            )
        self.frames += len(block)
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        for i, one in enumerate((block, mono)):
            self.energy[i] += float(np.mean(np.square(one))) * len(block)
        self.parts.append(mono if self.resampler is None else self.resampler.resample_chunk(mono))

    def join(self) -> np.ndarray:
        """The samples of all blocks."""
        import numpy as np

        if self.energy[1] < CANCELLED * self.energy[0]:
            warnings.warn(
                "The channels of a recording cancel each other out, because one has the opposite "
                f"sign: give one channel. Received: {self.name}",
                stacklevel=2,
            )
        if self.resampler is not None:
            end = self.resampler.resample_chunk(np.zeros(0, "float32"), last=True)
            own_rate, rate = self.rates
            self.parts.append(end)
            joined = np.concatenate(self.parts)[: math.ceil(self.frames * rate / own_rate)]
        else:
            joined = np.concatenate(self.parts)
        if not joined.size:
            raise AudioError(
                f"A recording must have samples. Received: {self.name}, with {self.frames} at "
                f"{self.rates[0]:,} a second, which is none at {self.rates[1]:,}"
            )
        return joined
