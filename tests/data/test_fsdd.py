import dataclasses
import zipfile

import numpy as np
import pytest

import zoo.data
from zoo.audio import read_audio, wav_bytes
from zoo.data.dataset import content_digest
from zoo.data.fsdd import DIGITS, SPEAKERS, TAKES, Fsdd
from zoo.data.fsdd_strings import RATE, DigitString, FsddStrings

pytestmark = pytest.mark.once

SECONDS = 0.05


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """All names, with one recording for each digit: a tone of its own frequency."""
    folder = tmp_path_factory.mktemp("data") / "fsdd"
    folder.mkdir()
    time = np.arange(int(RATE * SECONDS)) / RATE
    with zipfile.ZipFile(folder / "recordings.zip", "w") as members:
        for digit in range(10):
            tone = wav_bytes(0.1 * np.sin(2 * np.pi * 100 * (digit + 1) * time), RATE)
            for speaker in SPEAKERS:
                for take in range(50):
                    members.writestr(f"{digit}_{speaker}_{take}.wav", tone)
    return folder / "recordings.zip"


@pytest.fixture
def small(archive, monkeypatch):
    """The dataset with the digests of those recordings."""
    columns = {}
    for split in TAKES:
        rows = list(Fsdd().read_rows(archive, split))
        columns[split] = dict(zip(Fsdd.columns, map(list, zip(*rows, strict=True)), strict=True))
    digests = {split: content_digest(found) for split, found in columns.items()}
    for dataset in (Fsdd, FsddStrings):
        monkeypatch.setattr(dataset, "card", dataclasses.replace(dataset.card, digests=digests))
    monkeypatch.setenv("ZOO_DATA", str(archive.parent.parent))


def names(columns):
    return {audio.name for audio in columns["audio"]}


def test_the_official_split(small):
    dataset = zoo.data.load("fsdd")
    sizes = {split: len(columns["text"]) for split, columns in dataset.splits.items()}
    assert sizes == Fsdd.card.splits == {"train": 2_400, "dev": 300, "test": 300}
    test = dataset.splits["test"]
    assert {name.rpartition("_")[2] for name in names(test)} == {f"{i}.wav" for i in range(5)}
    assert test["audio"][0].name == "0_george_0.wav"
    assert (test["text"][0], test["speaker"][0]) == ("zero", "george")
    assert set(test["text"]) == set(DIGITS) and set(test["speaker"]) == set(SPEAKERS)
    assert len(set.union(*map(names, dataset.splits.values()))) == 3_000


def test_a_speaker_left_out_is_heard_in_test_alone(small):
    splits = zoo.data.load("fsdd", leave_out="theo").splits
    assert set(splits["test"]["speaker"]) == {"theo"} and len(splits["test"]["text"]) == 500
    for split, size in (("train", 2_000), ("dev", 250)):
        assert len(splits[split]["text"]) == size and "theo" not in splits[split]["speaker"]


def test_a_damaged_archive(small, archive, tmp_path, monkeypatch):
    content = archive.read_bytes()
    (tmp_path / "fsdd").mkdir()
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    for damaged, reason in ((content[:-100], "not a zip file"), (b"", "not a zip file")):
        (tmp_path / "fsdd" / "recordings.zip").write_bytes(damaged)
        with pytest.raises(ValueError, match=f"damaged.*{reason}.*zoo data get fsdd"):
            zoo.data.load("fsdd")
    with zipfile.ZipFile(tmp_path / "fsdd" / "recordings.zip", "w") as members:
        members.writestr("0_george_10.wav", b"x")
    with pytest.raises(ValueError, match=r"no member 0_george_11\.wav"):
        zoo.data.load("fsdd")


def test_unpacking_the_repository(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "master.zip", "w") as repository:
        for name in ("0_theo_0.wav", "1_theo_0.wav"):
            repository.writestr(f"free-spoken-digit-dataset-master/recordings/{name}", b"RIFF")
        repository.writestr("free-spoken-digit-dataset-master/../escaped.wav", b"RIFF")
        repository.writestr("free-spoken-digit-dataset-master/README.md", b"x")
    Fsdd().unpack(tmp_path / "in", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["recordings.zip"]
    with zipfile.ZipFile(tmp_path / "out" / "recordings.zip") as found:
        assert found.namelist() == ["0_theo_0.wav", "1_theo_0.wav"]


def test_strings_are_made_of_the_recordings_of_their_split(small):
    sizes = {"train": 40, "dev": 20, "test": 20}
    dataset = zoo.data.load("fsdd_strings", **sizes)
    for split, columns in dataset.splits.items():
        assert len(columns["text"]) == sizes[split]
        for audio, text, speaker in zip(*columns.values(), strict=True):
            assert 1 <= len(audio.digits) == len(text.split()) <= 7
            for digit, word in zip(audio.digits, text.split(), strict=True):
                number, name, take = digit.name.removesuffix(".wav").split("_")
                assert DIGITS[int(number)] == word and name == speaker
                assert int(take) in TAKES[split]
    assert dataset == zoo.data.load("fsdd_strings", **sizes)
    other = zoo.data.load("fsdd_strings", **sizes, seed=1)
    assert dataset.digest != other.digest
    assert not set(dataset.splits["dev"]["text"]) & set(other.splits["dev"]["text"]) - set(DIGITS)


def test_speakers_held_out_of_strings(small):
    options = {"train": 40, "dev": 10, "test": 10, "shortest": 2, "longest": 3}
    splits = zoo.data.load(
        "fsdd_strings", **options, dev_speaker="lucas", test_speaker="theo"
    ).splits
    assert set(splits["dev"]["speaker"]) == {"lucas"}
    assert set(splits["test"]["speaker"]) == {"theo"}
    assert not set(splits["train"]["speaker"]) & {"lucas", "theo"}
    takes = {digit.name.rpartition("_")[2] for it in splits["test"]["audio"] for digit in it.digits}
    assert len(takes) > 10  # all recordings of the speaker
    assert {len(text.split()) for text in splits["train"]["text"]} == {2, 3}


def test_single_recordings_among_the_strings(small):
    sizes = {"train": 5, "dev": 2, "test": 2}
    plain = zoo.data.load("fsdd_strings", **sizes).splits
    found = zoo.data.load("fsdd_strings", **sizes, singles=2_500).splits
    assert {name: values[:5] for name, values in found["train"].items()} == plain["train"]
    assert found["dev"] == plain["dev"] and found["test"] == plain["test"]
    singles = found["train"]["audio"][5:]
    assert len(singles) == 2_500 and len({audio.name for audio in singles[:2_400]}) == 2_400
    assert not any(isinstance(audio, DigitString) for audio in singles)
    assert set(found["train"]["text"][5:]) == set(DIGITS)


def test_the_sound_of_a_string(small):
    audio = zoo.data.load("fsdd").splits["test"]["audio"]
    digits, pauses = (audio[0], audio[-1]), (0.1, 0.2, 0.05)
    plain = DigitString("a.wav", digits=digits, pauses=pauses)
    samples = plain.samples()
    assert len(samples) == RATE * 0.35 + 2 * RATE * SECONDS
    assert not samples[:800].any() and not samples[1_200:2_800].any() and not samples[-400:].any()
    np.testing.assert_allclose(samples[800:1_200], read_audio(audio[0], RATE), atol=1e-6)
    np.testing.assert_allclose(read_audio(plain, RATE), samples, atol=4e-5)
    faster = dataclasses.replace(plain, speed=1.25)
    assert len(faster.samples()) == RATE * 0.35 + 2 * RATE * SECONDS / 1.25
    spectrum = np.abs(np.fft.rfft(faster.samples()[800:1_120]))
    assert spectrum.argmax() * RATE / 320 == 125  # 100 hertz, 1.25 times as fast
    for rumble in (0.0, 0.9):
        noisy = dataclasses.replace(plain, noise=10.0, rumble=rumble, seed=3)
        noise = noisy.samples() - samples
        speech = np.mean(np.concatenate([samples[800:1_200], samples[2_800:3_200]]) ** 2)
        assert 10 * np.log10(speech / np.mean(noise**2)) == pytest.approx(10, abs=0.7)
        assert noisy.sha256 != plain.sha256
    assert plain.sha256 == dataclasses.replace(plain, name="b.wav").sha256


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("fsdd", {"leave_out": "teo"}, "did you mean.*theo.*Received: leave_out='teo'"),
        ("fsdd_strings", {"dev_speaker": "x"}, "dev_speaker must be one of george"),
        ("fsdd_strings", {"dev_speaker": "theo", "test_speaker": "theo"}, "must differ"),
        ("fsdd_strings", {"shortest": 0}, "`shortest` must be"),
        ("fsdd_strings", {"shortest": 3, "longest": 2}, "`longest` must be"),
        ("fsdd_strings", {"singles": -1}, "`singles` must be"),
        ("fsdd_strings", {"longest": 1_000}, "`longest` must be.*at most 50"),
        ("fsdd_strings", {"dev": 0}, "dev must be a whole number"),
    ],
)
def test_wrong_options(name, options, message):
    with pytest.raises(ValueError, match=f"(?i){message}"):
        zoo.data.load(name, **options)
