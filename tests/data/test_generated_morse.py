import dataclasses

import numpy as np
import pytest

import zoo.data
from zoo.data.generated_morse import CODES, RATE, make_messages

pytestmark = pytest.mark.once

MESSAGES = make_messages(0, 60, "train")


def test_splits_share_no_text_whatever_the_seed():
    texts = {
        split: {text for seed in range(3) for text in _texts(seed, split)}
        for split in ("train", "dev", "test")
    }
    assert not texts["train"] & texts["dev"] and not texts["dev"] & texts["test"]
    assert not texts["train"] & texts["test"]


def _texts(seed, split):
    return [message.text for message in make_messages(seed, 100, split)]


def test_spans_are_those_of_the_tones():
    for message in MESSAGES:
        assert len(message.spans) == len(message.text)
        assert len(message.tones) == sum(len(CODES[it]) for it in message.text if it != " ")
        ends = [time for span in message.spans for time in span]
        assert ends == sorted(ends) and ends[0] > 0 and ends[-1] < message.seconds
        tones = iter(message.tones)
        for character, (start, end) in zip(message.text, message.spans, strict=True):
            if character == " ":
                continue
            own = [next(tones) for _ in CODES[character]]
            assert (own[0][0], own[-1][1]) == (start, end)
            lengths = {"-": [], ".": []}
            for sign, (first, last) in zip(CODES[character], own, strict=True):
                lengths[sign].append(last - first)
            if all(lengths.values()):
                assert min(lengths["-"]) > 1.8 * max(lengths["."])


def test_the_sound_is_where_the_tones_are():
    for message in MESSAGES[:10]:
        clean = np.abs(dataclasses.replace(message, noise=300.0).samples())
        assert len(clean) == round(message.seconds * RATE)
        sounding = np.zeros(len(clean), bool)
        for start, end in message.tones:
            sounding[round(start * RATE) : round(end * RATE)] = True
            middle = clean[round((start + 0.006) * RATE) : round((end - 0.006) * RATE)]
            assert middle.max() == pytest.approx(message.loudness, rel=0.1)
        assert clean[~sounding].max() < 0.02 * message.loudness
        noise = message.samples() - dataclasses.replace(message, noise=300.0).samples()
        ratio = 10 * np.log10(message.loudness**2 / 2 / np.mean(noise**2))
        assert ratio == pytest.approx(message.noise, abs=0.5)


def test_pitch_drifts_from_the_first_to_the_last():
    message = dataclasses.replace(
        MESSAGES[0], noise=300.0, tones=((0.0, 2.0),), seconds=2.0, pitch=(500.0, 600.0)
    )
    samples = message.samples()
    for second, pitch in ((0.25, 512.5), (1.75, 587.5)):
        part = samples[round((second - 0.1) * RATE) : round((second + 0.1) * RATE)]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        assert spectrum.argmax() * RATE / len(part) == pytest.approx(pitch, abs=5)


def test_messages_are_spoken_alike_by_the_same_seed():
    again = make_messages(0, 60, "train")
    assert again == MESSAGES and again[5].read() == MESSAGES[5].read()
    assert again[5].sha256 == MESSAGES[5].sha256 != MESSAGES[6].sha256
    assert {it for message in make_messages(0, 50, "dev", "sotmn") for it in message.text} == set(
        "sotmn "
    )


@pytest.mark.parametrize("characters", ["abc", "abcdeé", "ABCDEF", ""])
def test_characters_need_codes(characters):
    with pytest.raises(ValueError, match="at least five of abc.*Received: characters="):
        zoo.data.load("generated_morse", characters=characters)


def test_the_number_of_words_is_bounded():
    assert all(" " not in message.text for message in make_messages(0, 40, longest=1))
    with pytest.raises(ValueError, match="`longest` must be.*at most 100"):
        make_messages(0, 1, longest=1_000)
