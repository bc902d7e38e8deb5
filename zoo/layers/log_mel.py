"""Log-mel spectrogram of padded recordings."""

import keras
import numpy as np
from keras import ops

from zoo.checks import check_integer
from zoo.choices import SPEECH_NORMALIZATIONS, check_choice
from zoo.layers.tensors import count_valid

FLOOR = 1e-6  # of the power, where that of the loudest frame is 1: 60 dB below it
QUIETEST = 1e-6  # of a frame's power: recordings below it are silence, and not made louder
MAX_FRAME = 1 << 14  # samples
LEAST_VARIANCE = 1e-2  # of what features are divided by, in squared nats


@keras.saving.register_keras_serializable("zoo")
class LogMel(keras.layers.Layer):
    """Normalized log-mel spectrogram: features of the frames of recordings.

    It is `keras.layers.MelSpectrogram` with frames, levels and padding such that the features
    of a recording depend on the recording alone, not on the batch. Frame `i` is centred on the
    samples from `i * hop_length` to `(i + 1) * hop_length`, and there are zeros before the first
    sample and after the last. The power of a recording is divided by the mean power of the bands
    in its loudest frame. The logarithm of each band is then normalized: by the `mean` and
    `variance` of the band in the training data, which are weights set by `set_statistics`; or
    over the frames of the recording, such that a different microphone matters less, and the
    share of silence matters more. It computes in float32 whatever the dtype policy.

    Args:
        sampling_rate: int. Samples per second.
        frame_length: int. Samples of a frame (25 ms are usual).
        hop_length: int. Samples from one frame to the next (10 ms are usual); even.
        num_mels: int. Number of bands, from 20 Hz to half the sampling rate. Defaults to `40`.
        normalization: `"global"`, by the statistics of the training data, or `"recording"`.
            Defaults to `"global"`.

    Call arguments:
        audio: Float tensor `[batch, samples]`.
        audio_length: Integer tensor `[batch]`: the samples of each recording without padding.
        normalized: bool. Whether to normalize; otherwise the features are the logarithms of
            energies, in nats. Defaults to `True`.

    Returns:
        A pair: the features, float32 `[batch, frames, num_mels]`, zero at padding if they are
        normalized, and their mask, bool `[batch, frames]`. A recording has
        `ceil(samples / hop_length)` frames.

    Raises:
        ValueError: if a size is not positive, `hop_length` is odd, or larger than `frame_length`,
            or `normalization` is unknown.
    """

    def __init__(
        self,
        sampling_rate,
        frame_length,
        hop_length,
        num_mels=40,
        normalization="global",
        **kwargs,
    ):
        super().__init__(**kwargs | {"dtype": "float32"})
        check_frames(sampling_rate, frame_length, hop_length)
        check_integer("num_mels", num_mels, 1, 256)
        check_choice("normalization", normalization, SPEECH_NORMALIZATIONS)
        self.normalization = normalization
        self.sampling_rate = sampling_rate
        self.frame_length = frame_length
        self.hop_length = hop_length
        self.num_mels = num_mels
        # Twice as long as the frame, so that each of the narrow low bands has a frequency.
        fft_length = 1 << (2 * frame_length - 1).bit_length()
        self.spectrogram = keras.layers.MelSpectrogram(
            fft_length=fft_length,
            sequence_stride=hop_length,
            sequence_length=frame_length,
            sampling_rate=sampling_rate,
            num_mel_bins=num_mels,
            power_to_db=False,
            dtype="float32",
        )
        # Frames of zeros before the recording, more than the reflection that Keras pads with.
        self.margin = -(-fft_length // (2 * hop_length)) + 1

    def build(self, audio_shape, audio_length_shape):
        self.spectrogram.build((None, None))
        if self.normalization == "global":
            shape = (self.num_mels,)
            self.mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
            self.variance = self.add_weight(shape, "ones", trainable=False, name="variance")
        self.built = True

    def call(self, audio, audio_length, normalized=True):
        audio_length = ops.cast(audio_length, "int32")[:, None]
        count = ops.shape(audio)[1]
        valid = ops.arange(count, dtype="int32")[None, :] < audio_length
        audio = ops.where(valid, ops.cast(audio, "float32"), 0.0)
        before = self.margin * self.hop_length - self.hop_length // 2
        audio = ops.pad(audio, [[0, 0], [before, (self.margin + 1) * self.hop_length]])
        power = ops.swapaxes(self.spectrogram(audio), 1, 2)
        frames = (count + self.hop_length - 1) // self.hop_length
        power = power[:, self.margin : self.margin + frames]  # [batch, frames, num_mels]
        loudest = ops.max(ops.mean(power, axis=2, keepdims=True), axis=1, keepdims=True)
        features = ops.log(power / ops.maximum(loudest, QUIETEST) + FLOOR)
        ends = (audio_length + self.hop_length - 1) // self.hop_length
        mask = ops.arange(frames, dtype="int32")[None, :] < ends
        if not normalized:
            return features, mask
        if self.normalization == "recording":
            return normalize(features, mask), mask
        features = (features - self.mean) * ops.rsqrt(ops.maximum(self.variance, LEAST_VARIANCE))
        return features * ops.cast(mask, "float32")[:, :, None], mask

    def set_statistics(self, mean, variance):
        """Sets what `normalization="global"` normalizes by.

        Args:
            mean: Float array `[num_mels]`, of the logarithm of each band.
            variance: Float array `[num_mels]`.
        """
        self.mean.assign(mean)
        self.variance.assign(variance)

    def band_centres(self) -> np.ndarray:
        """The middle of each band in Hz, float32 `[num_mels]`."""
        lowest, highest = (
            np.log1p(hertz / 700) for hertz in (self.spectrogram.min_freq, self.sampling_rate / 2)
        )
        edges = np.linspace(lowest, highest, self.num_mels + 2)
        return (700 * np.expm1(edges[1:-1])).astype("float32")

    def compute_output_spec(self, audio, audio_length, normalized=True):
        batch, count = audio.shape
        frames = None if count is None else -(-count // self.hop_length)
        return (
            keras.KerasTensor((batch, frames, self.num_mels), dtype="float32"),
            keras.KerasTensor((batch, frames), dtype="bool"),
        )

    def get_config(self):
        return super().get_config() | {
            "sampling_rate": self.sampling_rate,
            "frame_length": self.frame_length,
            "hop_length": self.hop_length,
            "num_mels": self.num_mels,
            "normalization": self.normalization,
        }


def normalize(features, mask):
    """Features of mean 0 and variance 1 over the valid frames of each row, zero at padding.

    Args:
        features: Float tensor `[batch, frames, features]`.
        mask: Boolean tensor `[batch, frames]`.
    """
    weights = ops.cast(mask, features.dtype)[:, :, None]
    count = ops.cast(ops.maximum(count_valid(mask), 1), features.dtype)[:, None, None]
    mean = ops.sum(features * weights, axis=1, keepdims=True) / count
    centred = (features - mean) * weights
    variance = ops.sum(ops.square(centred), axis=1, keepdims=True) / count
    return centred * ops.rsqrt(variance + LEAST_VARIANCE)


def check_frames(sampling_rate, frame_length, hop_length):
    """Raises a `ValueError` unless frames of recordings can have these sizes."""
    check_integer("sampling_rate", sampling_rate, 1, 1_000_000)
    check_integer("frame_length", frame_length, 2, MAX_FRAME)
    check_integer("hop_length", hop_length, 2, MAX_FRAME)
    if hop_length % 2 or hop_length > frame_length:
        raise ValueError(
            "`hop_length` must be even and at most `frame_length`. "
            f"Received: hop_length={hop_length}, frame_length={frame_length}"
        )
