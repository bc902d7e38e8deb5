"""Contracts of the speech recogniser with each head."""

import functools
import itertools
import json
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest

import zoo
from tests.models.copies import assert_copy
from tests.variants import variants
from tests.weights import assign_normal
from zoo import presets
from zoo.audio import AudioError, wav_bytes
from zoo.choices import ATTENTIONS
from zoo.conflicts import Conflict
from zoo.decoding import ctc
from zoo.models import SpeechToText, SpeechToTextBackbone, SpeechToTextPreprocessor
from zoo.models.speech_to_text.timing import group_words, words_of_spans, words_of_weights
from zoo.search_options import TranscriptionOptions
from zoo.tokenizers import CharacterTokenizer

EXPECTED = Path(__file__).parents[1] / "contracts" / "speech_to_text_answers.json"
TEXTS = ["ab c", "a", "cabb", "b a"]

VARIANTS = {"ctc": {}, "ctc, gru": {"cell": "gru", "pooling": (1, 3), "bidirectional": False}}
VARIANTS["ctc, convolution"] = {"convolution": (3, 4)}
VARIANTS |= {name: {"head": "attention", "attention": name} for name in ("none", *ATTENTIONS)}
for name in ATTENTIONS:
    if ATTENTIONS.choice(name).needs_one_size:
        VARIANTS[name]["bidirectional"] = False
VARIANTS["joint"] = {"head": "joint", "attention": "luong_general", "cell": "gru"}
VARIANTS["joint, fed"] = VARIANTS["joint"] | {"input_feeding": True, "decoder_units": 6}
every_variant = variants(VARIANTS, everywhere=("ctc", "joint"))


def make_recordings():
    """Tones with noise, of 0.05 to 0.5 seconds."""
    rng = np.random.default_rng(0)
    return [
        (np.sin(np.arange(n) * pitch) + 0.1 * rng.normal(size=n)).astype("float32") / 2
        for n, pitch in ((4000, 0.3), (400, 0.9), (2777, 1.7), (1200, 0.1))
    ]


RECORDINGS = make_recordings()


def make(variant, sequence_length=12):
    """A model with the same weights on every backend."""
    options = {"units": 8, "num_layers": 2, "pooling": (2, 2), "embedding_dim": 6, "num_heads": 2}
    options |= {"num_mels": 12} | VARIANTS[variant]
    tokenizer = CharacterTokenizer(" abc")
    head = options.get("head", "ctc")
    preprocessor = SpeechToTextPreprocessor(tokenizer, head=head, sequence_length=sequence_length)
    model = SpeechToText(SpeechToTextBackbone(tokenizer.vocabulary_size(), **options), preprocessor)
    assign_normal(sorted(model.trainable_weights, key=lambda it: it.path), scale=1.5)
    model.backbone.log_mel.set_statistics(np.full(12, -5.0), np.full(12, 9.0))
    return model


@pytest.fixture(scope="module")
def models():
    """A cache of the variants, each built and compiled once."""
    return functools.cache(make)


def outputs(model, length=64):
    """The outputs for the recordings, and for one without samples."""
    preprocessor = model.preprocessor
    recordings = [*RECORDINGS, RECORDINGS[0][:0]]
    inputs, _, weights = preprocessor.collate(
        recordings, preprocessor.encode([*TEXTS, ""]), length, length // 8
    )
    found = keras.Model.predict_on_batch(model, inputs)
    found = {name: np.asarray(values, "float32") for name, values in found.items()}
    if "tokens" in found:
        found["tokens"] = found["tokens"] * weights["tokens"][:, :, None]
    return found


def known_answers(model):
    """A few numbers of each output: log-probabilities of the valid steps, logits of true tokens."""
    return np.concatenate([values[:, :3, :6].ravel() for values in outputs(model).values()])


@every_variant
def test_outputs_equal_the_recorded_ones_on_every_backend(models, variant):
    expected = json.loads(EXPECTED.read_text())[variant]
    np.testing.assert_allclose(known_answers(models(variant)), expected, rtol=1e-5, atol=2e-5)


@variants(["ctc", "ctc, gru", "bahdanau", "joint"], everywhere=("ctc",))
def test_silence_after_a_batch_changes_nothing_and_an_empty_row_is_finite(models, variant):
    model = models(variant)
    short, long = outputs(model), outputs(model, 128)
    for name, values in short.items():
        count = values.shape[1]
        np.testing.assert_allclose(long[name][:, :count], values, atol=2e-5)
        assert np.isfinite(values).all()
    if "ctc" in long:  # certain blanks, so that no labels are more probable for it
        np.testing.assert_array_equal(long["ctc"][:, short["ctc"].shape[1] :, 0], 0)


# Threads ask a model with both heads on every backend.
@variants(["ctc", "bahdanau", "joint, fed"], everywhere=("ctc",))
def test_answers_have_a_text_a_score_and_words_with_times(models, variant):
    model = models(variant)
    assert model.infer([]) == []
    answers = model.infer(RECORDINGS, beam=2, n_best=2)
    for samples, answer in zip(RECORDINGS, answers, strict=True):
        assert json.loads(json.dumps(answer.to_dict()))["text"] == answer.text
        best, other = answer.hypotheses
        assert (answer.text, answer.score) == (best.text, best.score)
        assert best.score >= other.score
        assert [word.text for word in answer.words] == answer.text.split()
        times = [time for word in answer.words for time in (word.start, word.end)]
        assert all(0 <= time <= len(samples) / 8000 for time in times)
        assert all(word.start < word.end for word in answer.words)
        if variant == "ctc":
            assert times == sorted(times)
    (alone,) = model.infer(RECORDINGS[2:3], beam=2, n_best=2)
    assert alone.text == answers[2].text and alone.words == answers[2].words
    assert alone.score == pytest.approx(answers[2].score, abs=1e-4)


@pytest.mark.once
def test_scores_of_ctc_are_exact(models):
    model = models("ctc")
    steps = model.ctc_log_probabilities(RECORDINGS)
    assert [len(it) for it in steps] == [13, 2, 9, 4]  # 320 samples a step
    for found, greedy, beam in zip(
        steps, model.infer(RECORDINGS, beam=1), model.infer(RECORDINGS, beam=20), strict=True
    ):
        labels = [it.label for it in ctc.greedy_labels(found)]
        assert greedy.hypotheses[0].text == model.text(labels)
        expected = ctc.labels_log_probability(found, labels)
        assert greedy.score == pytest.approx(expected, abs=1e-5)
        assert beam.score >= greedy.score - 1e-5


@pytest.mark.once
def test_both_heads_rank_the_hypotheses(models):
    model = models("joint")
    (steps,) = model.ctc_log_probabilities(RECORDINGS[:1])
    (answer,) = model.infer(RECORDINGS[:1], beam=6, n_best=6)
    scores = [it.score for it in answer.hypotheses]
    assert scores == sorted(scores, reverse=True)
    tokenizer, samples = model.preprocessor.tokenizer, RECORDINGS[0]
    inputs = model._collate([samples], 64)
    every = {}
    for length in range(3):
        for labels in itertools.product(range(4, 8), repeat=length):
            ids = [*labels, tokenizer.end_token_id]
            by_decoder = model.log_probabilities(inputs, ids).sum()
            every[labels] = 0.3 * ctc.labels_log_probability(steps, labels) + 0.7 * by_decoder
    found = model.search(TranscriptionOptions(beam=100, n_best=100, max_length=3))(*inputs)
    for n in range(found.counts[0]):
        labels = tuple(model._written(found.tokens[0, n, : found.lengths[0, n]]))
        if found.tokens[0, n, found.lengths[0, n] - 1] == tokenizer.end_token_id:
            assert found.scores[0, n] == pytest.approx(every.pop(labels), abs=1e-3)
    assert not every


@variants(["ctc", "bahdanau", "joint"], everywhere=("ctc",))
def test_explanations_agree_with_the_answer(models, variant):
    model = models(variant)
    if model.has_decoder:  # random weights would end most texts before they begin
        model = make(variant)
        kernel, bias = model.head.get_weights()
        bias[model.preprocessor.tokenizer.end_token_id] -= 3
        model.head.set_weights([kernel, bias])
    answers = model.infer(RECORDINGS)
    row = max(range(len(answers)), key=lambda row: len(answers[row].text))
    answer, frames = answers[row], -(-len(RECORDINGS[row]) // 80)
    assert answer.text
    found = model.explain(RECORDINGS[row])
    assert found.text == answer.text and len(found.features) == frames
    assert "".join(found.tokens).strip() == answer.text
    assert [word for word, _, _ in found.words] == [word.text for word in answer.words]
    if variant == "bahdanau":
        assert found.spans is None
    if variant != "ctc":
        assert found.weights.shape == (len(found.tokens), -(-frames // 4))
        np.testing.assert_allclose(found.weights.sum(axis=1), 1, atol=1e-4)
    if variant == "ctc":
        assert found.weights is None
        assert all(0 <= start < end <= frames for start, end in found.spans)


def test_the_spectrogram_of_an_explanation_has_the_levels_of_the_sound():
    model = make("ctc")
    model.adapt(RECORDINGS)  # the model reads other levels
    seconds = np.arange(8_000) / 8_000
    tones = 0.5 * np.sin(2 * np.pi * 300 * seconds) + 0.05 * np.sin(2 * np.pi * 3_000 * seconds)
    found = model.explain(tones.astype("float32"), "a")
    low, high = (np.abs(found.frequencies - hertz).argmin() for hertz in (300, 3_000))
    levels = 10 / np.log(10) * found.features[20:80].mean(axis=0)
    assert levels[low] - levels[high] == pytest.approx(20, abs=5)  # the bands are of unlike width
    silence = model.explain(np.zeros(8_000, "float32"), "a")
    np.testing.assert_allclose(silence.features, np.log(1e-6), atol=1e-3)


@pytest.mark.once
def test_score_measures_errors_and_the_loss_of_training(models):
    for variant in ("ctc", "bahdanau", "joint"):
        model = models(variant)
        columns = {"audio": RECORDINGS[::2], "text": TEXTS[::2]}
        scores = model.score(columns, beam=1)
        assert scores.keys() == {"wer", "cer", "exact", "loss"}
        inputs, labels, weights = model.preprocessor.collate(
            columns["audio"], model.preprocessor.encode(columns["text"]), 64, 8
        )
        model.compile()
        loss = keras.Model.evaluate(
            model, inputs, labels, sample_weight=weights, verbose=0, return_dict=True
        )
        if variant == "ctc":  # Keras' mean of tokens is that of all steps
            assert scores["loss"] == pytest.approx(loss["loss"], abs=1e-4)
        assert np.isfinite(scores["loss"])


@pytest.mark.once
def test_recordings_that_ctc_cannot_align_are_known(models):
    model, (samples, short) = models("ctc"), RECORDINGS[:2]
    assert model.fits(samples, [4] * 7) and not model.fits(samples, [4] * 8)  # blanks between
    assert model.fits(short, [4, 5]) and not model.fits(short, [4, 4])
    assert models("bahdanau").fits(short, [4] * 50)
    scores = model.score({"audio": [samples, short], "text": ["a", "aaaa"]})
    alone = model.score({"audio": [samples], "text": ["a"]})
    assert scores["loss"] == pytest.approx(alone["loss"], abs=1e-5)


@pytest.mark.once
def test_recordings_of_every_kind_are_read(models, tmp_path):
    model = models("ctc")
    file = tmp_path / "it.wav"
    file.write_bytes(wav_bytes(RECORDINGS[0], 8000))
    stereo = np.stack([RECORDINGS[0]] * 2, axis=1)
    given = [RECORDINGS[0], stereo, (RECORDINGS[0], 8000), str(file), file.read_bytes()]
    answers = model.infer(given)
    assert len({answer.text for answer in answers}) == 1
    silent, slow = model.infer(
        [np.zeros(8000, "float32"), (np.zeros(96_000, "uint8") + 128, 96_000)]
    )
    assert np.isfinite([silent.score, slow.score]).all()


@pytest.mark.once
@pytest.mark.parametrize(
    "recording, message",
    [
        (np.zeros(0, "float32"), "must have samples"),
        (np.array([0.1, np.nan], "float32"), "must be finite"),
        (np.zeros(8000 * 600, "float32"), "at most 300 seconds: cut it"),
        (b"no audio", "a whole file in a format such as WAV"),
    ],
)
def test_what_is_no_recording_is_refused(models, recording, message):
    with pytest.raises(AudioError, match=message):
        models("ctc").infer([RECORDINGS[0], recording])


@pytest.mark.once
def test_wrong_calls_are_refused(models):
    for single in (RECORDINGS[0], "it.wav", b"it"):
        with pytest.raises(TypeError, match="must come in a list"):
            models("ctc").infer(single)
    with pytest.raises(ValueError, match="`coverage_penalty` needs a model with attention"):
        models("ctc").infer(RECORDINGS, coverage_penalty=0.5)
    with pytest.raises(ValueError, match="needs a model with a CTC head.*head='attention'"):
        models("bahdanau").ctc_log_probabilities(RECORDINGS)
    with pytest.raises(NotImplementedError, match="transcribed by `infer`"):
        models("joint").generate(RECORDINGS)
    with pytest.raises(ValueError, match="`ctc_weight` must be at most 1"):
        SpeechToText(models("ctc").backbone, ctc_weight=2)
    with pytest.raises(ValueError, match="{'audio': …, 'text': …}.*Received"):
        models("ctc").preprocessor({"audio": RECORDINGS})
    for options, message in (
        ({"pooling": (2,)}, "for each layer.*pooling=\\(2,\\)"),
        ({"pooling": (2, 2, 100)}, "an integer from 1 to 16"),
        ({"head": "joint", "attention": "luong_dot"}, "set decoder_units to 256.*luong_dot"),
    ):
        with pytest.raises(Conflict, match=message):
            SpeechToTextBackbone(8, **options)
    with pytest.raises(ValueError, match="`head` must be one of"):
        SpeechToTextBackbone(8, head="softmax")


@variants(["ctc", "joint, fed"], everywhere=())
def test_a_saved_preset_loads_the_same_model(models, variant, tmp_path):
    model = models(variant)
    presets.save(model, tmp_path / "it", name="it", dataset="none", dtype="float32")
    again = zoo.load(tmp_path / "it")
    theirs = keras_hub.models.Seq2SeqLM.from_preset(str(tmp_path / "it"))
    assert_copy(theirs, model)
    for one, same in zip(model.infer(RECORDINGS), again.infer(RECORDINGS), strict=True):
        assert same.text == one.text and same.score == pytest.approx(one.score, abs=1e-5)


@pytest.mark.once
def test_words_are_grouped_and_timed():
    pieces = ["", " ", "a", "b", " ", " ", "c"]
    assert group_words(pieces) == [("ab", [2, 3]), ("c", [6])]
    assert group_words([]) == []
    spans = [(0, 1), (1, 2), (2, 3), (5, 6), (6, 7), (7, 8), (9, 12)]
    words = words_of_spans(pieces, spans, 0.1, 1.1)
    assert [(word.start, word.end) for word in words] == [(0.2, 0.6), (0.9, 1.1)]
    weights = np.zeros((7, 12))
    weights[2, 2:6] = [0.05, 0.85, 0.05, 0.05]
    weights[3, 4], weights[6, 11] = 1, 1
    words = words_of_weights(pieces, weights, 0.1, 1.15)
    assert [(word.start, word.end) for word in words] == [(0.3, 0.5), (1.1, 1.15)]


@pytest.mark.once
def test_a_list_of_words_is_all_that_is_written(models, tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("ab\n\ncab \n", "utf-8")
    for variant in ("ctc", "joint", "bahdanau"):
        model = models(variant)
        options = {} if variant == "ctc" else {"min_length": 2}
        plain = [answer.text for answer in model.infer(RECORDINGS, **options)]
        found = model.infer(RECORDINGS, words=["ab", "cab"], **options)
        for answer in found:
            for one in answer.hypotheses:
                assert set(one.text.split()) <= {"ab", "cab"}, variant
        listed = [answer.text for answer in found]
        for words, expected in ((str(file), listed), ("none", plain)):
            answers = model.infer(RECORDINGS, words=words, **options)
            assert [answer.text for answer in answers] == expected
        assert listed != plain
    model = make("ctc")
    listed = SpeechToTextPreprocessor(model.preprocessor.tokenizer, words=["ab", "cab"])
    own = SpeechToText(model.backbone, listed)
    own.set_weights(model.get_weights())
    presets.save(own, tmp_path / "it", name="it", dataset="none", dtype="float32")
    again, plain = zoo.load(tmp_path / "it"), models("ctc")
    for words in ("auto", "none"):
        one, same = again.infer(RECORDINGS, words=words), plain.infer(RECORDINGS, words=words)
        texts = [it.text for it in plain.infer(RECORDINGS, words=["ab", "cab"])]
        expected = texts if words == "auto" else [it.text for it in same]
        assert [it.text for it in one] == expected


@pytest.mark.once
@pytest.mark.parametrize("variant", ["ctc", "bahdanau"])
def test_a_list_of_words_is_read_once(models, variant, monkeypatch):
    model, calls = models(variant), []
    lexicon = model.preprocessor.lexicon

    def counted(words):
        calls.append(words)
        return lexicon(words)

    monkeypatch.setattr(model.preprocessor, "lexicon", counted)
    model.infer(RECORDINGS, batch_size=1, words=["ab", "cab"])
    assert calls == [("ab", "cab")]


@pytest.mark.once
def test_words_of_a_list_are_whole(models):
    model = models("bahdanau")

    def text(**options):
        return model.infer(RECORDINGS[:1], words=["ab", "cab"], **options)[0].text

    assert text(prefix="ca") == "cab" and text(prefix="c", max_length=3) == "cab"
    assert text(min_length=1, max_length=2) == "ab" and text(max_length=1) == ""
    for options, message in (
        ({"prefix": "b"}, "words of the list.*prefix='b', words=\\('ab', 'cab'\\)"),
        ({"prefix": "ab b"}, "words of the list.*prefix='ab b'"),
        ({"prefix": "c", "max_length": 2}, "satisfies all limits.*max_length=2, prefix='c'"),
        ({"forbidden": "ab", "min_length": 1, "beam": 1}, "No text.*forbidden=\\('ab',\\)"),
    ):
        with pytest.raises(ValueError, match=message):
            text(**options)


@pytest.mark.once
@pytest.mark.parametrize(
    "words, message",
    [
        (["ab", "xa"], "letters of the model, ' abc'.*Received: 'xa', with 'x'"),
        (["a b"], "must be one word. Received: 'a b'"),
        ([" "], "must be one word"),
        ([], "Received: words=\\[\\]"),
        (3, "Received: words=3"),
        ("nowhere.txt", "no such file. Received: 'nowhere.txt'"),
    ],
)
def test_wrong_lists_of_words_are_refused(models, words, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        models("ctc").infer(RECORDINGS, words=words)


@pytest.mark.once
def test_statistics_are_those_of_the_recordings_that_are_given():
    model = make("ctc")
    model.adapt(RECORDINGS, batch_size=2)
    inputs = model.encoder_inputs(model.preprocessor.collate_audio(RECORDINGS, 64))
    features, mask = model.backbone.log_mel(*inputs)
    valid = keras.ops.convert_to_numpy(features)[keras.ops.convert_to_numpy(mask)]
    np.testing.assert_allclose(valid.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(valid.std(axis=0), 1, atol=1e-3)
    with pytest.raises(ValueError, match="at least one recording"):
        model.adapt([])
