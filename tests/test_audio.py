import hashlib
import io
import re
import warnings

import numpy as np
import pytest
import soundfile

from zoo.audio import AudioError, AudioFile, read_audio, wav_bytes

pytestmark = pytest.mark.once


def tone(rate, seconds=1.0, amplitude=0.5):
    """A sine of 440 Hz."""
    return amplitude * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)


def encoded(samples, rate, subtype=None, kind="WAV"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "subtype", "error"),
    [
        ("WAV", "PCM_U8", 8e-3),
        ("WAV", "PCM_16", 4e-5),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 1e-6),
        ("WAV", "DOUBLE", 1e-6),
        ("FLAC", "PCM_16", 4e-5),
        ("OGG", "VORBIS", 3e-2),
    ],
)
@pytest.mark.parametrize("rate", [8_000, 48_000, 96_000])
def test_every_format_and_rate_gives_the_same_sound(kind, subtype, error, rate):
    found = read_audio(encoded(tone(rate), rate, subtype, kind), 8_000)
    assert found.shape == (8_000,) and found.dtype == np.float32
    assert np.abs(found - tone(8_000))[800:-800].max() < error


def test_stereo_is_mixed_down(tmp_path):
    both = np.stack([tone(8_000), np.zeros(8_000)], axis=1)
    (tmp_path / "a.bin").write_bytes(encoded(both, 8_000, "FLOAT"))
    found = read_audio(tmp_path / "a.bin", 8_000)
    np.testing.assert_allclose(found, tone(8_000) / 2, atol=1e-6)
    np.testing.assert_array_equal(found, read_audio(both.astype("float32"), 8_000))
    np.testing.assert_array_equal(found, read_audio(str(tmp_path / "a.bin"), 8_000))


def test_channels_that_cancel_each_other_out_are_warned_of():
    with pytest.warns(UserWarning, match=r"cancel each other out.*\(8000, 2\)"):
        assert not read_audio(np.stack([tone(8_000), -tone(8_000)], axis=1), 8_000).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_audio(np.stack([tone(8_000), np.zeros(8_000)], axis=1), 8_000)
        read_audio(np.zeros((100, 2)), 8_000)


@pytest.mark.parametrize(
    ("dtype", "scale", "zero"),
    [("int16", 2**15, 0), ("int32", 2**31, 0), ("uint8", 128, 128), ("float64", 1, 0)],
)
def test_arrays_have_their_full_scale(dtype, scale, zero):
    array = (tone(16_000) * scale + zero).astype(dtype)
    found = read_audio((array, 16_000), 8_000)
    assert np.abs(found - tone(8_000))[200:-200].max() < 1.5 / 128
    assert found.max() == pytest.approx(0.5, abs=1e-2)
    assert len(read_audio(array, 8_000)) == 16_000  # no rate: already that of the result


def test_blocks_leave_no_seam():
    long = tone(44_100, 20)
    found = read_audio((long, 44_100), 8_000)
    assert len(found) == 160_000
    assert np.abs(found - tone(8_000, 20))[200:-200].max() < 1e-5
    np.testing.assert_allclose(read_audio(encoded(long, 44_100, "FLOAT"), 8_000), found, atol=1e-6)


def test_silence_and_clipping_are_sounds():
    assert not read_audio(np.zeros(100), 8_000).any()
    assert read_audio(np.clip(tone(8_000, amplitude=7.0), -1, 1), 8_000).max() == 1


def test_a_written_file_is_read_back():
    content = wav_bytes(tone(8_000), 8_000)
    assert len(content) == 44 + 2 * 8_000
    np.testing.assert_allclose(read_audio(content, 8_000), tone(8_000), atol=4e-5)
    assert read_audio(wav_bytes(3 * tone(8_000), 8_000), 8_000).max() < 1  # clipped, not wrapped


def test_a_file_of_a_dataset(tmp_path):
    content = wav_bytes(tone(8_000), 8_000)
    (tmp_path / "all").write_bytes(b"before" + content + b"after")
    part = AudioFile("a.wav", tmp_path / "all", 6, len(content))
    assert part.sha256 == hashlib.sha256(content).hexdigest()
    np.testing.assert_array_equal(read_audio(part, 8_000), read_audio(content, 8_000))
    with pytest.raises(ValueError, match="AudioFile needs a path or its content"):
        AudioFile("a.wav").read()


NAN = tone(8_000)
NAN[4_000] = np.nan
WHOLE = wav_bytes(tone(8_000), 8_000)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"hello world", "WAV, FLAC.*11 bytes, which begins with b'hello world'"),
        (b"", "WAV, FLAC.*Received: 0 bytes"),
        (WHOLE[:20], "WAV, FLAC.*begins with b'RIFF"),
        (encoded(tone(8_000), 8_000, kind="FLAC")[:3_000], "whole"),
        (WHOLE[:10_000], "must be whole.*9,956 of 16,000 bytes"),
        (encoded(tone(8_000), 8_000, kind="AIFF")[:10_000], "must be whole"),
        (encoded(tone(8_000), 8_000, kind="AU")[:10_000], "must be whole"),
        (encoded(tone(8_000, 9), 8_000, kind="MP3")[:9_000], "must be whole.*of 72,"),
        (WHOLE[:44], "must be whole.*0 of 16,000 bytes"),
        (wav_bytes(np.zeros(0), 8_000), "must have samples.*with none"),
        (np.zeros(0), "must have samples.*with none"),
        ((np.ones(1), 96_000), "none at 8,000"),
        (encoded(NAN, 8_000, "FLOAT"), "NaN or infinity at 0.500 seconds"),
        (np.full(9, np.inf), "finite"),
        (tone(8_000) * 32_768, "divide those made of 16-bit"),
        (encoded(np.zeros(8_000 * 301), 8_000), r"at most 300 seconds.*with 301\.0"),
        (np.zeros(8_000 * 301), "at most 300 seconds"),
        (np.zeros((9, 0)), r"1 to 64 channels.*with 0"),
        (np.zeros((2, 8_000)), r"\[samples, channels\].*with 8000"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.zeros(9, "complex64"), "dtype complex64"),
        (np.zeros(9, "bool"), "dtype bool"),
        (np.full(9, 9_000), "uint8, int16 or int32. Received: dtype int64"),
        ((np.ones(9), 8), "1,000 to 768,000.*with 8"),
    ],
)
def test_what_is_no_recording_is_refused(source, message):
    with pytest.raises(AudioError, match=message):
        read_audio(source, 8_000)


@pytest.mark.parametrize("promised", [2**32 - 1, 2**31 - 1])
def test_a_recording_that_was_piped_has_no_length_in_its_header(promised):
    piped = WHOLE[:40] + promised.to_bytes(4, "little") + WHOLE[44:]
    np.testing.assert_array_equal(read_audio(piped, 8_000), read_audio(WHOLE, 8_000))


def test_length_is_looked_up_before_reading():
    """Ten minutes of FLAC silence take kilobytes; they would take 38 MB as floats."""
    import tracemalloc

    content = encoded(np.zeros(16_000 * 600), 16_000, kind="FLAC")
    tracemalloc.start()
    with pytest.raises(AudioError, match="at most 300 seconds.*600.0"):
        read_audio(content, 16_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    assert len(read_audio(content, 1_000, max_seconds=600)) == 600_000


@pytest.mark.parametrize("source", [None, 3, ["a.wav"]])
def test_other_types_are_refused(source):
    with pytest.raises(TypeError, match="a path, bytes, an array.*Received"):
        read_audio(source, 8_000)


def test_missing_files_and_bad_rates(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "no.wav"))):
        read_audio(tmp_path / "no.wav", 8_000)
    with pytest.raises(ValueError, match="`rate` must be"):
        read_audio(np.zeros(9), 0)
    with pytest.raises(ValueError, match="rate of the recording"):
        read_audio((np.zeros(9), "8000"), 8_000)
