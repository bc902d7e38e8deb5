"""`zoo infer` on CoNLL-U, with a stand-in for the tagger."""

import gzip
from dataclasses import dataclass, replace

import pytest

from zoo.cli import main, models

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
    tags, scheme = ("B-x", "O"), "bio"

    def __init__(self):
        self.seen = []

    def infer(self, sentences, batch_size=64):
        self.seen += sentences
        return [Answer([self.tags[word == "do"] for word in one]) for one in sentences]


@pytest.fixture
def card(cards):
    return cards[0]


@pytest.fixture
def tagger(monkeypatch, card):
    model = Tagger()
    monkeypatch.setattr(models, "load", lambda *_: model)
    monkeypatch.setattr(models, "card_of", lambda *_: (replace(card, task="token_classifier"), ""))
    return model


def test_words_get_tags_and_all_else_stays(tagger, tmp_path, capsys):
    file = tmp_path / "in.conllu"
    file.write_text(FILE)
    assert main(["infer", "tiny_en", "--file", str(file)]) == 0
    assert tagger.seen == [["do", "n't"], ["Jazz"]]
    expected = FILE.replace("root\t_\t_", "root\t_\tTag=O").replace("=2\n", "=2|Tag=B-x\n")
    expected = expected.replace("Jazz" + 8 * "\t_", "Jazz" + 7 * "\t_" + "\tTag=B-x")
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(("tags", "column"), [(("NOUN", "X"), 3), (("NN", "SYM"), 4)])
def test_parts_of_speech_have_columns_of_their_own(tagger, tmp_path, capsys, tags, column):
    tagger.tags, tagger.scheme = tags, None
    file = tmp_path / "in.conllu.gz"
    file.write_bytes(gzip.compress(b"\xef\xbb\xbf" + FILE.encode()))
    assert main(["infer", "tiny_en", "--file", str(file)]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]
    assert [row[column] for row in rows if row[0].isdigit()] == [tags[1], tags[0], tags[0]]


def test_what_is_no_conllu(tagger, tmp_path, capsys):
    file = tmp_path / "in.conllu"
    file.write_text("not a table\n")
    assert main(["infer", "tiny_en", "--file", str(file)]) == 1
    assert "line 1: a line of CoNLL-U must have 10 fields" in capsys.readouterr().err
    assert main(["infer", "tiny_en", "hello", "--file", str(file)]) == 2
    assert "leave texts, --json and --html out" in capsys.readouterr().err


def test_a_model_that_tags_nothing(tagger, card, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(models, "card_of", lambda *_: (card, ""))
    file = tmp_path / "in.conllu"
    file.write_text(FILE)
    assert main(["infer", "tiny_en", "--file", str(file)]) == 2
    assert "is for taggers" in capsys.readouterr().err
