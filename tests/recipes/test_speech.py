"""Speech recipe: what it leaves out, changes of recordings, training step, report, own tables."""

import warnings

import numpy as np
import pytest

import zoo
from recipes import speech
from recipes.speech.recipe import SpeechRecipe
from recipes.speech.recordings import Recordings, faster, faster_length, noisy
from recipes.speech.report import draw_confusion
from recipes.speech.schema import SpeechConfig
from tests.recipes.test_manuals import FOLDER
from tests.small_recipe import load_data
from zoo import presets
from zoo.audio import AudioError, read_audio, wav_bytes
from zoo.data.generated_morse import make_messages
from zoo.training import run as run_recipe
from zoo.training.config import ConfigError, read_yaml, resolve

QUICKSTART = FOLDER / "speech" / "quickstart.yaml"
MORSE = "data.options={train: 12, dev: 4, test: 2, characters: etians, longest: 2}"
TINY = [
    "model.hop_length=80",
    "model.num_mels=8",
    "model.units=6",
    "model.num_layers=1",
    "model.pooling=[4]",
    "training.epochs=1",
    "training.batch_size=12",
    "training.buckets=1",
    "evaluation.gate=null",
    "evaluation.samples=2",
]


def recipe(*overrides):
    values = read_yaml(QUICKSTART.read_text("utf-8"))
    options = [] if any(it.startswith("data.train=") for it in overrides) else [MORSE]
    return SpeechRecipe(resolve(SpeechConfig, values, [*options, *TINY, *overrides], source="test"))


def built(one, dataset=None):
    dataset = dataset or load_data(one.config)
    return dataset, one.build(dataset, one.prepare(dataset), "float32")


@pytest.fixture
def table(tmp_path):
    """A function that writes recordings of Morse code and a table of them."""

    def write(texts, name="it.tsv", seconds=2.0):
        rows = ["audio\ttext\tspeaker"]
        for number, text in enumerate(texts):
            tone = 0.3 * np.sin(np.arange(int(16_000 * seconds)) / 5)
            both = np.stack([tone, np.zeros_like(tone)])[0]
            (tmp_path / f"{name}{number}.wav").write_bytes(wav_bytes(both, 16_000))
            rows.append(f"{name}{number}.wav\t{text}\t{'ab'[number % 2]}")
        (tmp_path / name).write_text("\n".join(rows) + "\n")
        return tmp_path / name

    return write


@pytest.mark.once
def test_run_logs_its_report_and_a_loadable_model(client, tmp_path):
    result = run_recipe(
        speech.RECIPE,
        "quickstart",
        [MORSE, *TINY, "model.convolution=[2]"],
        output=tmp_path / "preset",
        progress=False,
    )
    assert {"dev/wer", "dev/cer", "dev/exact", "dev/loss", "test/wer"} <= set(result.metrics)
    artifacts = {
        item.path
        for folder in ("", "attention", "audio", "figures")
        for item in client.list_artifacts(result.run_id, folder or None)
    }
    assert {
        "samples.html",
        "samples.json",
        "attention/02.png",
        "attention/02.html",
        "audio/02.wav",
    } <= artifacts
    assert "speakers.json" not in artifacts  # Morse code has none
    message = make_messages(3, 1)[0]
    again = zoo.load(result.model_uri)
    answers = [one.infer([message])[0] for one in (again, result.model)]
    assert answers[0].text == answers[1].text
    card = presets.read_card(tmp_path / "preset")
    assert card.task == "speech_to_text" and card.dataset == "generated_morse"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("ctc", marks=pytest.mark.once),
        "joint",
        pytest.param("attention", marks=pytest.mark.once),
    ],
)
def test_one_batch_updates_every_weight(fit_one_batch, head):
    overrides = ["training.speed=0.1", "training.noise=[10, 20]", "model.embedding_dim=4"]
    loss, unchanged = fit_one_batch(recipe(f"model.head={head}", *overrides))
    assert np.isfinite(loss) and unchanged == []


@pytest.mark.once
def test_recordings_change_with_the_epoch_and_not_with_the_call():
    one = recipe("training.speed=0.2", "training.noise=[20, 40]")
    dataset, model = built(one)
    columns = dataset.splits["train"]
    rows = np.arange(12)
    assert one.examples_vary_by_epoch and not recipe().examples_vary_by_epoch
    first, again, second = (one.examples(model, columns, epoch) for epoch in (0, 0, 1))
    length = max(first.lengths)
    (x, y, weights), (same, *_), (other, *_) = (
        examples.collate(rows, length) for examples in (first, again, second)
    )
    assert first.lengths == again.lengths != second.lengths
    np.testing.assert_array_equal(x["audio"], same["audio"])
    assert x["audio"].shape == other["audio"].shape == (12, length * 80)
    assert (x["audio_length"] != other["audio_length"]).any()
    assert (other["audio_length"] <= length * 80).all()  # faster where they would not fit
    assert max(-(-count // 80) for count in x["audio_length"]) == length
    plain = recipe().examples(model, columns, 0).collate(rows, 600)[0]
    np.testing.assert_array_equal(
        plain["audio_length"], [len(read_audio(audio, 8_000)) for audio in columns["audio"]]
    )
    assert list(y) == ["ctc"] and weights["ctc"].tolist() == [1.0] * 12
    assert y["ctc"].shape[1] % 8 == 0
    texts = [model.preprocessor.tokenizer.detokenize(ids[ids > 0].tolist()) for ids in y["ctc"]]
    assert texts == columns["text"]


@pytest.mark.once
def test_what_ctc_cannot_align_is_left_out_and_named(table):
    texts = ["eat", "e" * 45, "tea", "t" * 46]
    one = recipe(f"data.train={table(texts)}", f"data.dev={table(texts[:1], 'dev.tsv')}")
    dataset, model = built(one)
    with pytest.warns(
        UserWarning, match=r"2 of 4 recordings are shorter than their.*: it.tsv1.wav"
    ):
        examples = one.examples(model, dataset.splits["train"], 0)
    assert examples.lengths == [200, 200]
    attentive = recipe(
        f"data.train={table(texts)}",
        f"data.dev={table(texts[:1], 'dev.tsv')}",
        "model.head=attention",
        "model.sequence_length=46",
    )
    dataset, model = built(attentive)
    with pytest.warns(UserWarning, match="1 of 4 recordings have longer transcripts.*it.tsv3.wav"):
        assert len(attentive.examples(model, dataset.splits["train"], 0).lengths) == 3
    none = recipe(f"data.train={table(texts[1:2])}", f"data.dev={table(texts[:1], 'dev.tsv')}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset, model = built(none)
        with pytest.raises(ValueError, match="No recording can be trained on.*it.tsv0.wav"):
            none.examples(model, dataset.splits["train"], 0)


@pytest.mark.once
def test_letters_outside_the_alphabet(table):
    options = [f"data.train={table(['Ate', 'tea!'])}", f"data.dev={table(['tex'], 'dev.tsv')}"]
    given = recipe(*options, "tokenizer.alphabet=ate")
    dataset = given.extend(load_data(given.config), None)
    with pytest.raises(ValueError, match=r"alphabet 'aet'.*in train: '!' in 'tea!' of it.tsv1.wav"):
        given.prepare(dataset)
    learned = recipe(*options)
    dataset = learned.extend(load_data(learned.config), None)
    with pytest.warns(UserWarning, match="cannot be recognised: 1 other letters in dev: 'x'"):
        preprocessor = learned.prepare(dataset)
    assert preprocessor.tokenizer.get_vocabulary()[4:] == ["!", "a", "e", "t"]
    as_written = recipe(*options, "tokenizer.lowercase=false")
    assert as_written.extend(load_data(as_written.config), None).splits["train"]["text"][0] == "Ate"


@pytest.mark.once
def test_a_run_with_tables_of_ones_own(client, table, tmp_path):
    overrides = [
        f"data.train={table(['ate', 'tea', 'eat', 'at'])}",
        f"data.dev={table(['tea', 'at'], 'dev.tsv')}",
        "data.speaker=speaker",
        "evaluation.test=false",
    ]
    result = run_recipe(speech.RECIPE, "quickstart", [*TINY, *overrides], progress=False)
    artifacts = {item.path for item in client.list_artifacts(result.run_id)}
    assert "speakers.json" in artifacts
    again = recipe(*overrides, f"training.init_from={result.model_uri}", "model.units=7")
    with pytest.raises(ValueError, match="units"):
        built(again)


@pytest.mark.once
def test_damaged_recordings_are_named(table, tmp_path):
    one = recipe(f"data.train={table(['ate', 'tea'])}", f"data.dev={table(['tea'], 'dev.tsv')}")
    (tmp_path / "it.tsv1.wav").write_bytes(b"no audio")
    with pytest.raises(AudioError, match="it.tsv1.wav, which begins with"):
        built(one)


@pytest.mark.once
def test_recordings_beyond_the_memory_are_read_again(monkeypatch):
    files = make_messages(0, 4, "dev")
    whole = [read_audio(file, 8_000) for file in files]
    monkeypatch.setattr("recipes.speech.recordings.IN_MEMORY", 2 * len(whole[0]))
    found = Recordings(files, 8_000)
    assert found.lengths == list(map(len, whole)) and len(found) == 4
    np.testing.assert_allclose(found[0], whole[0], atol=5e-4)
    for one, other in zip(list(found)[1:], whole[1:], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.once
def test_speed_and_noise():
    tone = (0.5 * np.sin(2 * np.pi * 500 * np.arange(8_000) / 8_000)).astype("float32")
    for speed in (0.8, 1.0, 1.25):
        changed = faster(tone, speed)
        assert len(changed) == faster_length(8_000, speed) == round(8_000 / speed)
        assert np.abs(np.fft.rfft(changed)).argmax() == 500  # periods, in less or more time
    assert len(faster(tone[:1], 2.0)) == 1
    random = np.random.default_rng(0)
    noise = noisy(tone, 10.0, random) - tone
    assert 10 * np.log10(np.mean(tone**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.3)
    assert not noisy(np.zeros(9, "float32"), 10.0, random).any()


@pytest.mark.once
def test_confusions_shade_mistakes_alone():
    figure = draw_confusion(["one", "two", "∅"], np.array([[3, 1, 0], [0, 5, 0], [1, 0, 0]]))
    shades = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(shades, [[0, 0.25, 0], [0, 0, 0], [1, 0, 0]])
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["1", "1", "3", "5"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.pooling=[2, 2]"], "pooling must have an integer"),
        (["model.hop_length=300"], "must not have gaps"),
        (["model.head=joint", "model.attention=luong_dot"], "dot product"),
        (["model.head=joint", "model.attention=multi_head", "model.num_heads=4"], "divisible"),
        (["model.head=attentive"], "model.head"),
        (["training.r_drop=1.0"], "R-Drop"),
        (["training.noise=[20, 10]"], "swap them"),
        (["training.speed=0.9"], "training.speed"),
        (["tokenizer.alphabet=abc", "training.init_from=x"], "its own alphabet"),
        (["data.options={leave_out: theo}"], "generated_morse.*leave_out"),
        (["evaluation.metric=bleu"], "evaluation.metric"),
    ],
)
def test_wrong_settings(overrides, message):
    with pytest.raises((ConfigError, ValueError), match=message):
        load_data(recipe(*overrides).config)


@pytest.mark.once
def test_low_error_rates_are_good():
    evaluation = recipe().config.evaluation
    assert evaluation.metric == "wer" and evaluation.mode == "min"
    assert recipe("evaluation.metric=exact").config.evaluation.mode == "max"


@pytest.mark.once
def test_the_words_of_the_transcripts_or_of_a_file(table, tmp_path):
    options = [f"data.train={table(['Ate tea', 'tea'])}", f"data.dev={table(['tea'], 'dev.tsv')}"]

    def words(value):
        one = recipe(*options, f"tokenizer.words={value}")
        return one.prepare(one.extend(load_data(one.config), None)).words

    assert words("null") is None and words("train") == ["ate", "tea"]
    file = tmp_path / "words.txt"
    file.write_text("Eat\ntea\n", "utf-8")
    assert words(file) == ["eat", "tea"]
    file.write_text("tee-x", "utf-8")
    with pytest.raises(ValueError, match="letters of the model.*'tee-x', with '-'"):
        words(file)
