"""The log-mel front end, frame stacking and SpecAugment."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.compiled import compiled
from zoo.layers import FrameStacking, LogMel, SpecAugment, SpectrogramConvolution

HOP = 80


def to_array(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture(scope="module")
def log_mel():
    return LogMel(8000, 200, HOP, 20, "recording")


@pytest.fixture(scope="module")
def computed(log_mel):
    """The features and the mask of six rows: two recordings, the second of 730 samples; that one
    with other samples as padding, and three times as loud; silence; and padding alone."""
    audio = chirps(1000)
    rows = np.zeros((6, 1600), "float32")
    rows[:4, :1000] = audio[[0, 1, 1, 1]]
    rows[1:4, 730:] = 0
    rows[2, 730:] = 0.7
    rows[3] *= 3
    lengths = np.array([1000, 730, 730, 730, 1600, 0], "int32")
    features, mask = compiled(log_mel)(rows, lengths)
    return to_array(features), to_array(mask)


def chirps(samples):
    """Two rows of noise with a tone that rises, different in each."""
    time = np.arange(samples) / 8000
    rows = [np.sin(2 * np.pi * (200 + slope * time) * time) for slope in (400, 900)]
    return (np.stack(rows) + 0.01 * np.random.default_rng(0).normal(size=(2, samples))).astype(
        "float32"
    )


def reference(samples):
    """The features of one recording in NumPy, in float64."""
    frames, width = -(-len(samples) // HOP), 200
    samples = samples.astype("float64")
    padded = np.pad(samples, (width, 2 * width))
    window = np.hanning(width + 1)[:-1]
    spectrum = np.stack(
        [
            np.fft.rfft(padded[start : start + width] * window, 512)
            for start in width + np.arange(frames) * HOP + HOP // 2 - width // 2
        ]
    )
    hertz = np.arange(257) * 8000 / 512
    mel, edges = np.log1p(hertz / 700), np.linspace(np.log1p(20 / 700), np.log1p(4000 / 700), 22)
    rising = (mel[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel[:, None]) / (edges[2:] - edges[1:-1])
    bands = np.maximum(0, np.minimum(rising, falling))
    bands[0] = 0
    power = np.abs(spectrum) ** 2 @ bands
    found = np.log(power / power.mean(axis=1).max() + 1e-6)
    return (found - found.mean(0)) / np.sqrt(found.var(0) + 1e-2)


def test_features_are_those_of_numpy_on_every_backend(computed):
    features, mask = computed
    assert features.shape == (6, 20, 20)
    assert mask.sum(1).tolist() == [13, 10, 10, 10, 20, 0]
    for row, length in enumerate((1000, 730)):
        expected = reference(chirps(1000)[row, :length])
        np.testing.assert_allclose(features[row, : len(expected)], expected, atol=1e-4)
    np.testing.assert_array_equal(features[~mask], 0)


def test_features_depend_on_the_recording_alone(computed):
    features, _ = computed
    # What is in the padding is not read.
    np.testing.assert_allclose(features[2], features[1], atol=1e-5)
    np.testing.assert_allclose(features[3], features[1], atol=1e-4)


def test_silence_and_a_row_of_padding_are_zero(computed):
    np.testing.assert_allclose(computed[0][4:], 0, atol=1e-5)


@pytest.mark.once
def test_statistics_of_the_training_data_do_not_depend_on_silence():
    log_mel = LogMel(8000, 200, HOP, 20)
    audio = np.pad(chirps(1600)[:1], [[0, 1], [0, 1600]])
    features, mask = (to_array(it) for it in log_mel(audio, np.array([3200, 1600])))
    assert features[0, :20].max() == pytest.approx(features.max())
    np.testing.assert_allclose(features[1, :20], np.log(1e-6), atol=1e-4)  # silence
    mean, variance = features[0].mean(axis=0), features[0].var(axis=0)
    log_mel.set_statistics(mean, variance)
    first, _ = (to_array(it) for it in log_mel(audio[:1], np.array([3200])))
    short, _ = (to_array(it) for it in log_mel(audio[:1], np.array([1600])))
    np.testing.assert_allclose(first[0].mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(first[0].std(axis=0), 1, atol=1e-4)
    np.testing.assert_allclose(first[0, :20], short[0, :20], atol=1e-4)
    loud, valid = (to_array(it) for it in log_mel(3 * audio, np.array([3200, 1600])))
    np.testing.assert_allclose(loud[0], first[0], atol=1e-4)
    np.testing.assert_array_equal(loud[~valid], 0)
    with pytest.raises(ValueError, match="`normalization` must be one of"):
        LogMel(8000, 200, HOP, 20, "utterance")


@pytest.mark.once
def test_it_computes_in_float32_under_any_policy(log_mel):
    policy = keras.config.dtype_policy()
    audio, lengths = chirps(800), np.array([800, 800])
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        features = LogMel(8000, 200, HOP, 20, "recording")(audio, lengths)[0]
    finally:
        keras.config.set_dtype_policy(policy)
    assert keras.backend.standardize_dtype(features.dtype) == "float32"
    np.testing.assert_array_equal(to_array(features), to_array(log_mel(audio, lengths)[0]))


@pytest.mark.once
def test_bands_have_centres_in_hertz(log_mel):
    centres = log_mel.band_centres()
    assert len(centres) == 20 and (np.diff(centres) > 0).all()
    time = np.arange(4000) / 8000
    tone = np.sin(2 * np.pi * centres[12] * time) * (time > 0.25)
    features = to_array(log_mel(tone[None].astype("float32"), np.array([4000]))[0])[0]
    assert features[30:].mean(0).argmax() in range(11, 14)


@pytest.mark.once
@pytest.mark.parametrize(
    "sizes, message",
    [
        ((8000, 200, 81), "`hop_length` must be even.*hop_length=81"),
        ((8000, 80, 100), "at most `frame_length`.*frame_length=80"),
        ((0, 200, 80), "`sampling_rate` must be an integer of at least 1"),
        ((8000, 1 << 20, 80), "`frame_length` must be an integer of at most 16,384"),
    ],
)
def test_wrong_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        LogMel(*sizes)


def test_stacking_joins_neighbouring_steps():
    inputs = np.arange(10, dtype="float32").reshape(1, 5, 2)
    mask = [[True, True, True, False, False]]
    stacked, stacked_mask = compiled(FrameStacking(2))(inputs, np.array(mask))
    assert to_array(stacked).tolist() == [[[0, 1, 2, 3], [4, 5, 0, 0], [0, 0, 0, 0]]]
    assert to_array(stacked_mask).tolist() == [[True, True, False]]
    same, _ = FrameStacking(1)(inputs, np.array(mask))
    np.testing.assert_array_equal(to_array(same), inputs)
    with pytest.raises(ValueError, match="`factor` must be an integer of at least 1"):
        FrameStacking(0)


def test_convolutions_see_neighbouring_frames_and_bands_of_the_recording_alone():
    random = np.random.default_rng(0)
    inputs, mask = random.normal(size=(2, 5, 7)).astype("float32"), np.ones((2, 5), bool)
    mask[1, 3:] = False
    layer = SpectrogramConvolution((2, 3))
    layer.build(inputs.shape, mask.shape)
    found = to_array(compiled(layer)(inputs, mask))
    states = np.where(mask[:, :, None], inputs, 0)[..., None]
    for convolution in layer.convolutions:
        kernel, bias = (to_array(it) for it in (convolution.kernel, convolution.bias))
        bands = states.shape[2]
        steps = -(-bands // 2)
        before = max((steps - 1) * 2 + 3 - bands, 0) // 2
        padded = np.pad(states, [(0, 0), (1, 1), (before, 3), (0, 0)])
        seen = np.stack(
            [
                [padded[:, t : t + 3, 2 * band : 2 * band + 3] for band in range(steps)]
                for t in range(5)
            ]
        )  # [frames, bands, batch, 3, 3, filters]
        sums = np.einsum("tbnwhc,whcf->ntbf", seen, kernel) + bias
        states = np.maximum(sums, 0) * mask[:, :, None, None]
    np.testing.assert_allclose(found, states.reshape(2, 5, -1), atol=1e-5)
    assert layer.compute_output_shape((2, 5, 7), (2, 5)) == found.shape == (2, 5, 2 * 3)
    for filters, message in (((), "must have a number"), ((4, 0), "an integer of at least 1")):
        with pytest.raises(ValueError, match=f"`filters` {message}|`filters` must be {message}"):
            SpectrogramConvolution(filters)


@pytest.mark.once
def test_augmentation_masks_bands_and_spans_in_training_alone():
    inputs, mask = np.ones((64, 40, 20), "float32"), np.ones((64, 40), bool)
    mask[:32, 20:] = False
    layer = SpecAugment(frequency_mask=4, time_mask=0.25, num_masks=1, seed=1)
    np.testing.assert_array_equal(to_array(layer(inputs, mask)), inputs)
    found = to_array(layer(inputs, mask, training=True))
    bands = (found == 0).all(axis=1)  # [row, mel]
    spans = (found == 0).all(axis=2)  # [row, frame]
    np.testing.assert_array_equal(found == 0, bands[:, None, :] | spans[:, :, None])
    widths = bands.sum(1)
    assert widths.min() == 0 and widths.max() == 4 and len(set(widths.tolist())) == 5
    assert (np.abs(np.diff(bands.astype(int), axis=1)).sum(1) <= 2).all()  # one band
    assert spans[:32].sum(1).max() <= 5 and spans[32:].sum(1).max() in range(7, 11)
    assert not spans[:32, 20:].any()
    assert bands[widths > 0].argmax(1).std() > 1  # bands are everywhere


@pytest.mark.once
def test_wrong_masks_are_refused():
    with pytest.raises(ValueError, match="`time_mask` must be at most 1"):
        SpecAugment(time_mask=2.0)
    with pytest.raises(ValueError, match="`frequency_mask` must be an integer of at most 20"):
        SpecAugment(frequency_mask=21)(np.ones((1, 3, 20)), np.ones((1, 3), bool))
