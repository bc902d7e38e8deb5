"""`zoo infer` on CoNLL-U files, with a stand-in for the tagger."""

import gzip
from dataclasses import dataclass, replace

import pytest

import zoo
from zoo.cli import main

pytestmark = pytest.mark.once
FILE = """\
# sent_id = 1
# note = a
# note = b
#odd comment
1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tdo\tdo\tX\tVB\t_\t0\troot\t_\t_
2\tn't\tnot\tPART\tRB\t_\t1\tadvmod\t_\tRef=1|Ref=2
2.1\tgo\t_\t_\t_\t_\t_\t_\t_\t_

1\tJazz\t_\t_\t_\t_\t_\t_\t_\t_

"""


@dataclass(frozen=True)
class Answer:
    tags: list


class Tagger:
    tags, scheme, separator = ("B-x", "O"), "bio", " "

    def __init__(self):
        self.seen = []

    def infer(self, sentences, **options):
        self.seen += sentences
        return [Answer([self.tags[word == "do"] for word in one]) for one in sentences]


@pytest.fixture
def tagger(monkeypatch, cards):
    model = Tagger()
    cards[0] = replace(cards[0], task="token_classifier")
    monkeypatch.setattr(zoo, "load", lambda source: model, raising=False)
    return model


def test_a_tagger_of_characters_is_refused(tagger, tmp_path, capsys):
    tagger.separator = ""
    file = tmp_path / "in.conllu"
    file.write_text(FILE)
    assert main(["infer", "tiny_en", "--file", str(file)]) == 2
    assert "this model tags characters: give it a file of texts" in capsys.readouterr().err
    assert not tagger.seen


def test_tags_are_inserted_and_the_rest_is_unchanged(tagger, tmp_path, capsys):
    file = tmp_path / "in.conllu"
    file.write_text(FILE)
    assert main(["infer", "tiny_en", "--file", str(file)]) == 0
    assert tagger.seen == [["do", "n't"], ["Jazz"]]
    expected = FILE.replace("root\t_\t_", "root\t_\tTag=O").replace("=2\n", "=2|Tag=B-x\n")
    expected = expected.replace("Jazz" + 8 * "\t_", "Jazz" + 7 * "\t_" + "\tTag=B-x")
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(("tags", "column"), [(("NOUN", "X"), 3), (("NN", "SYM"), 4)])
def test_parts_of_speech_go_to_upos_or_xpos(tagger, tmp_path, capsys, tags, column):
    tagger.tags, tagger.scheme = tags, None
    file = tmp_path / "in.conllu.gz"
    file.write_bytes(gzip.compress(b"\xef\xbb\xbf" + FILE.encode()))
    assert main(["infer", "tiny_en", "--file", str(file)]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]
    assert [row[column] for row in rows if row[0].isdigit()] == [tags[1], tags[0], tags[0]]


def test_invalid_file_is_refused(tagger, tmp_path, capsys):
    file = tmp_path / "in.conllu"
    file.write_text("not a table\n")
    assert main(["infer", "tiny_en", "--file", str(file)]) == 1
    assert "line 1: a line of CoNLL-U must have 10 fields" in capsys.readouterr().err
    assert main(["infer", "tiny_en", "hello", "--file", str(file)]) == 2
    assert "omit other inputs, --json and --html" in capsys.readouterr().err


def test_classifier_is_refused_before_it_is_loaded(loaded, tmp_path, capsys):
    file = tmp_path / "in.conllu"
    file.write_text(FILE)
    assert main(["infer", "tiny_en", "--file", str(file)]) == 2
    assert "Only taggers read CoNLL-U" in capsys.readouterr().err
    assert loaded == []


def test_classifier_without_a_card_is_refused_too(loaded, cards, tmp_path, capsys):
    """The task is known from `task.json`."""
    preset = zoo.presets.resolve("tiny_en")
    (preset / "card.json").unlink()
    file = tmp_path / "in.conllu"
    file.write_text(FILE)
    assert main(["infer", str(preset), "--file", str(file)]) == 2
    assert "Only taggers read CoNLL-U" in capsys.readouterr().err
    assert loaded == []


def test_empty_file_loads_no_model(tagger, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "load", lambda source: pytest.fail("loaded"), raising=False)
    file = tmp_path / "in.conllu"
    file.touch()
    assert main(["infer", "tiny_en", "--file", str(file)]) == 0
    assert capsys.readouterr().out == ""
