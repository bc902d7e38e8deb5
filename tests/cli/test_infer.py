"""`zoo infer` with a stand-in for the model: inputs, outputs and their order."""

import io
import json
import os
import threading
import tracemalloc
from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

import zoo
from zoo.cli import lines, main
from zoo.cli.errors import Failure

pytestmark = pytest.mark.once


def test_command_line_texts(loaded, capsys):
    assert main(["infer", "tiny_en", "a film", "not a film"]) == 0
    assert capsys.readouterr().out == "positive\t0.5000\ta film\nnegative\t0.7500\tnot a film\n"
    assert loaded == ["tiny_en"]


def test_control_characters_are_replaced(loaded, capsys):
    assert main(["infer", "tiny_en", "two\nlines\tand\x1b[31m red 👨‍👩‍👧"]) == 0
    assert capsys.readouterr().out == "positive\t0.5000\ttwo lines\tand [31m red 👨‍👩‍👧\n"


def test_json_lines_have_all_fields(loaded, capsys):
    assert main(["infer", "tiny_en", "재미 not", "--json"]) == 0
    line = capsys.readouterr().out
    assert "재미" in line and line.count("\n") == 1
    assert json.loads(line) == {
        "text": "재미 not",
        "label": "negative",
        "probability": 0.75,
        "probabilities": {"negative": 0.75, "positive": 0.25},
    }


def test_stdin_gives_one_answer_per_line(loaded, stdin, capsys):
    stdin("\ufeffone\r\n\nnot three 🎬\nlast".encode())
    assert main(["infer", "tiny_en"]) == 0
    texts = [line.split("\t")[-1] for line in capsys.readouterr().out.split("\n")[:-1]]
    assert texts == ["one", "", "not three 🎬", "last"]


def test_empty_stdin_loads_no_model(loaded, stdin, capsys):
    stdin(b"")
    assert main(["infer", "tiny_en"]) == 0
    assert capsys.readouterr().out == "" and loaded == []


def test_chunks_load_the_model_once(loaded, model, tmp_path, capsys):
    file = tmp_path / "texts.txt"
    file.write_text("".join(f"text {i}\n" for i in range(100)))
    assert main(["infer", "tiny_en", "--file", str(file), "--batch-size", "2"]) == 0
    assert model.chunks == [32, 32, 32, 4]
    assert loaded == ["tiny_en"]
    shown = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[-1] for line in shown] == [f"text {i}" for i in range(100)]


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_text_that_is_refused_is_reported_and_the_others_answered(
    loaded, model, as_json, monkeypatch, tmp_path, capsys
):
    def refuse(texts, **options):
        if "" in texts:
            raise ValueError(f"Received: texts[{texts.index('')}]")
        return infer(texts, **options)

    infer = model.infer
    monkeypatch.setattr(model, "infer", refuse)
    file = tmp_path / "texts.txt"
    file.write_text("\n" + "one\n" * 40 + "\nlast\n")
    words = ["infer", "tiny_en", "--file", str(file), "--batch-size", "2", *as_json]
    assert main(words) == 1
    shown = capsys.readouterr()
    for number in (1, 42):
        assert f"{file}, line {number}: Received: texts[0]" in shown.err
    assert "that the model refuses, with the errors above: 2" in shown.err
    lines = shown.out.split("\n")[:-1]
    assert len(lines) == 43 and lines[42].count("last") == 1
    refused = '{"text": "", "error": "Received: texts[0]"}' if as_json else ""
    assert lines[0] == lines[41] == refused
    file.write_text("\n\n")
    assert main(words) == 1  # nothing is answered
    assert capsys.readouterr().err.startswith("zoo infer: error: Received: texts[0]")


def test_options_of_the_model(loaded, model, cards, capsys):
    cards[0] = replace(cards[0], task="seq2seq_lm")
    model.infer = lambda texts, **options: [Caption(str(sorted(options.items())))]
    words = ["--batch-size", "8", "--set", "beam=5", "--set", "length_penalty=0.5"]
    words += ["--set", "max_length=none"]
    assert main(["infer", "tiny_en", "a", *words, "--json"]) == 0
    expected = {"batch_size": 8, "beam": 5, "length_penalty": 0.5, "max_length": None}
    answer = json.loads(capsys.readouterr().out)
    assert (answer["source"], answer["text"]) == ("a", str(sorted(expected.items())))


@pytest.mark.parametrize(
    "words, message",
    [
        (["tiny_em", "a"], "`tiny_em`. Did you mean `tiny_en`"),
        (["tiny_en", "a", "--file", "b.txt"], "not both"),
        (["tiny_en", "--file", "nowhere.txt"], "No such file"),
        (["tiny_en", "--file", "/"], "must be a file, not a directory"),
        (["tiny_en", "a", "--batch-size", "0"], "--batch-size must be from 1 to 65,536"),
        (["tiny_en", "caf\udce9"], "Texts must be UTF-8"),
        (["tiny_en", "a", "--set", "batch_siz=5"], "Did you mean `batch_size`?"),
        (["tiny_en", "a", "--set", "beam=5"], "OPTION is one of batch_size"),
        (["tiny_en", "a", "--set", "batch_size=two"], "batch_size: must be a whole number."),
        (["tiny_en", "a", "--html", "page.html"], "--html writes a page of images"),
        (["tiny_en", "a", "--html", "no/page.html"], "The directory of --html must exist"),
    ],
)
def test_wrong_arguments_are_refused_before_loading(loaded, words, message, capsys):
    assert main(["infer", *words]) == 2
    assert message in capsys.readouterr().err
    assert loaded == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_file_may_be_a_pipe(loaded, tmp_path, capsys):
    """As in `--file <(cut -f 2 reviews.tsv)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("one\nnot two\n",))
    writer.start()
    assert main(["infer", "tiny_en", "--file", str(pipe)]) == 0
    writer.join()
    assert capsys.readouterr().out == "positive\t0.5000\tone\nnegative\t0.7500\tnot two\n"


def test_file_that_is_not_utf8_is_refused_before_loading(loaded, tmp_path, capsys):
    file = tmp_path / "latin1.txt"
    file.write_bytes(b"good\ncaf\xe9\n")
    assert main(["infer", "tiny_en", "--file", str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == "" and loaded == []
    assert f"{file}, line 2, byte 4: 0xe9" in said.err
    assert "iconv" in said.err


def test_stdin_that_is_not_utf8(loaded, stdin, capsys):
    stdin(b"caf\xe9\n")
    assert main(["infer", "tiny_en"]) == 1
    assert "stdin, line 1, byte 4: 0xe9" in capsys.readouterr().err


def test_error_names_the_line_number():
    with pytest.raises(Failure, match="here, line 1001, byte 1: 0xff"):
        list(lines.read(io.BytesIO(b"fine\n" * 1000 + b"\xff"), "here"))


def test_memory_is_constant():
    """100,000 lines, 3 MB together, need less than 500 kB."""
    count = iter(range(100_000))
    line = b"a line of thirty bytes or so\n"
    file = SimpleNamespace(readline=lambda size: b"" if next(count, None) is None else line)
    tracemalloc.start()
    total = sum(len(chunk) for chunk in lines.chunks(lines.read(file, "it"), 1024))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 100_000 and peak < 500_000


@dataclass
class Caption:
    text: str
    score: float = -0.5
    hypotheses: tuple = ()

    def to_dict(self):
        return asdict(self)


class ImageToText:
    """A captioner that describes the brightness of an image."""

    class preprocessor:  # noqa: N801 (an attribute of a model)
        size = (4, 4)

    def infer(self, images, **options):
        return [Caption("bright" if image.mean() > 127 else "dark") for image in images]


@pytest.fixture
def photos(monkeypatch, cards, tmp_path):
    from PIL import Image

    cards[0] = replace(cards[0], task="image_to_text")
    monkeypatch.setattr(zoo, "load", lambda source: ImageToText(), raising=False)
    for name, brightness in {"a.png": 255, "c.png": 0}.items():
        Image.new("RGB", (9, 5), (brightness,) * 3).save(tmp_path / name)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    return [str(tmp_path / name) for name in ("a.png", "b.jpg", "c.png", "none.png")]


def test_unreadable_images_are_reported_and_the_others_answered(photos, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["infer", "tiny_en", *photos, "--html", str(page), "--batch-size", "2"]) == 1
    shown = capsys.readouterr()
    assert shown.out == f"bright\t-0.5000\t{photos[0]}\ndark\t-0.5000\t{photos[2]}\n"
    assert photos[1] in shown.err and photos[3] in shown.err
    assert "could not be read, with the errors above: 2" in shown.err
    assert page.read_text().count("<article>") == 4
    assert main(["infer", "tiny_en", photos[2], "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["image"], answer["text"], answer["score"]) == (photos[2], "dark", -0.5)
    assert main(["infer", "tiny_en", photos[3], "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["image"] == photos[3] and photos[3] in answer["error"]


@dataclass
class Word:
    text: str = "a"
    start: float = 0.0
    end: float = 0.5


@dataclass
class Transcript(Caption):
    words: tuple = (Word(),)


class SpeechToText:
    """A recogniser that says how long a recording is."""

    class preprocessor:  # noqa: N801 (an attribute of a model)
        sampling_rate = 8_000

    def infer(self, recordings, **options):
        return [Transcript(f"{len(recording) / 8_000:g} s") for recording in recordings]

    def explain(self, recording, text):
        from zoo.explain import Spectrogram

        assert text == self.infer([recording])[0].text  # what is printed is drawn

        return Spectrogram(np.zeros((9, 4)), 0.01, np.arange(1, 5), ["a"], [(0, 5)])


@pytest.fixture
def recordings(monkeypatch, cards, tmp_path):
    from zoo.audio import wav_bytes

    cards[0] = replace(cards[0], task="speech_to_text")
    monkeypatch.setattr(zoo, "load", lambda source: SpeechToText(), raising=False)
    for name, rate in {"a.wav": 8_000, "c.wav": 16_000}.items():
        (tmp_path / name).write_bytes(wav_bytes(np.zeros(16_000), rate))
    (tmp_path / "b.wav").write_bytes(b"no audio")
    return [str(tmp_path / name) for name in ("a.wav", "b.wav", "c.wav", "none.wav")]


def test_unreadable_recordings_are_reported_and_the_others_answered(
    recordings, tmp_path, capsys, small_figures
):
    page = tmp_path / "page.html"
    assert main(["infer", "tiny_en", *recordings, "--html", str(page), "--batch-size", "2"]) == 1
    shown = capsys.readouterr()
    assert shown.out == f"2 s\t-0.5000\t{recordings[0]}\n1 s\t-0.5000\t{recordings[2]}\n"
    assert recordings[1] in shown.err and recordings[3] in shown.err
    assert "Recordings that could not be read, with the errors above: 2" in shown.err
    html = page.read_text()
    assert (html.count("<article>"), html.count("<audio"), html.count("data:image/png")) == (
        4,
        2,
        2,
    )
    assert main(["infer", "tiny_en", recordings[2], "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["audio"] == recordings[2]
    assert answer["words"] == [{"text": "a", "start": 0.0, "end": 0.5}]
    assert main(["infer", "tiny_en", recordings[1], "--json"]) == 1
    assert "no audio" in json.loads(capsys.readouterr().out)["error"]


def test_spans_are_in_colours_on_a_terminal(monkeypatch, capsys):
    from zoo.cli.answers import print_answer
    from zoo.tasks import TASKS

    answer = {
        "tokens": ["play", "some", "jazz"],
        "tags": ["O", "O", "B-genre"],
        "spans": [{"type": "genre", "start": 2, "end": 3, "text": "jazz"}],
        "intent": "PlayMusic",
    }
    task = TASKS["token_classifier"]
    of_characters = {
        "tokens": list("서울은 비"),
        "tags": ["B-LC", "I-LC", "O", "O", "O"],
        "spans": [{"type": "LC", "start": 0, "end": 2, "text": "서울"}],
        "separator": "",
    }
    print_answer(task, "서울은 비", of_characters, as_json=False)
    assert capsys.readouterr().out == "<서울:LC>은 비\n"
    parts = {"tokens": ["가", "나"], "tags": ["N", "V"], "spans": [], "separator": ""}
    print_answer(task, "가나", parts, as_json=False)
    assert capsys.readouterr().out == "가/N 나/V\n"
    pronoun = {"tokens": ["a", "cup", "it"], "tags": ["O", "O", "2"], "spans": []}
    print_answer(task, "a cup it", pronoun | {"referents": [None, None, "cup"]}, as_json=False)
    assert capsys.readouterr().out == "a cup it→cup\n"
    print_answer(task, "play some jazz", answer, as_json=False)
    assert capsys.readouterr().out == "PlayMusic\tplay/O some/O jazz/B-genre\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for name, value in {"TERM": "xterm-256color", "COLORTERM": "truecolor"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    print_answer(task, "play some jazz", answer, as_json=False)
    shown = capsys.readouterr().out
    assert shown.startswith("PlayMusic  play some ") and "48;2;165;200;238m jazz " in shown
    print_answer(task, "jazz", answer | {"spans": []}, as_json=False)
    assert capsys.readouterr().out == "PlayMusic\tplay/O some/O jazz/B-genre\n"


class Writer:
    """A language model that writes the options it is given."""

    def infer(self, prefixes, **options):
        answers = [{"text": " and on\n", "score": -1.5, "num_tokens": 3, "finish": "end"}]
        return [SimpleNamespace(to_dict=lambda: answers[0]) for _ in prefixes]

    def stream(self, prefix, **options):
        yield from (" and", f" {options}\n", "\x1b[31mred")
        if prefix == "endless":
            raise KeyboardInterrupt


@pytest.fixture
def writer(monkeypatch, cards, loaded):
    cards[0] = replace(cards[0], task="causal_lm")
    monkeypatch.setattr(zoo, "load", lambda source: Writer(), raising=False)


def test_a_language_model_continues_each_line(writer, capsys):
    assert main(["infer", "tiny_en", "on", "off"]) == 0
    assert capsys.readouterr().out == "on and on \noff and on \n"
    assert main(["infer", "tiny_en", "on", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"prefix": "on", "text": " and on\n", "score": -1.5} | {
        "num_tokens": 3,
        "finish": "end",
    }


def test_a_terminal_gets_pieces_as_they_come(writer, monkeypatch, capsys):
    import sys

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["infer", "tiny_en", "on", "--set", "temperature=0.8", "--set", "seed=1"]) == 0
    expected = "on and {'temperature': 0.8, 'seed': 1}\n [31mred\n"
    assert capsys.readouterr().out == expected
    assert main(["infer", "tiny_en", "endless"]) == 0  # Ctrl-C ends it
    assert capsys.readouterr().out == "endless and {}\n [31mred\n"
    for words in (["one", "two"], ["one", "--set", "beam=2"]):
        assert main(["infer", "tiny_en", *words]) == 0
        assert capsys.readouterr().out.startswith("one and on \n")


def test_options_of_a_language_model(writer, capsys):
    wrong = {"temperature=-1": "temperature", "top_p=0": "top_p", "max_length=0": "max_length"}
    for setting, name in wrong.items():
        assert main(["infer", "tiny_en", "on", "--set", setting]) == 2
        assert f"--set {name}: must be" in capsys.readouterr().err
