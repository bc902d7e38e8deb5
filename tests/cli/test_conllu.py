"""`zoo infer` on CoNLL-U, with a stand-in for the tagger."""

from dataclasses import dataclass, replace

import pytest

from zoo.cli import main, models

pytestmark = pytest.mark.once
FILE = """\
# sent_id = 1
1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tdo\tdo\tX\tVB\t_\t0\troot\t_\t_
2\tn't\tnot\tPART\tRB\t_\t1\tadvmod\t_\tSpaceAfter=No
2.1\tgo\t_\t_\t_\t_\t_\t_\t_\t_

1\tJazz\t_\t_\t_\t_\t_\t_\t_\t_

"""


@dataclass(frozen=True)
class Answer:
    tags: list


class Tagger:
    def __init__(self):
        self.seen = []

    def infer(self, sentences, batch_size=64):
        self.seen += sentences
        return [
            Answer(["NOUN" if word.istitle() else "AUX" if word == "do" else "B-x" for word in one])
            for one in sentences
        ]


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
    expected = FILE.replace("do\tX", "do\tAUX").replace("=No\n", "=No|Tag=B-x\n")
    expected = expected.replace("1\tJazz\t_\t_", "1\tJazz\t_\tNOUN")
    assert capsys.readouterr().out == expected


def test_what_is_no_conllu(tagger, tmp_path, capsys):
    file = tmp_path / "in.conllu"
    file.write_text("not a table\n")
    assert main(["infer", "tiny_en", "--file", str(file)]) == 1
    assert "must be CoNLL-U" in capsys.readouterr().err


def test_a_model_that_tags_nothing(tagger, card, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(models, "card_of", lambda *_: (card, ""))
    file = tmp_path / "in.conllu"
    file.write_text(FILE)
    assert main(["infer", "tiny_en", "--file", str(file)]) == 2
    assert "is for taggers" in capsys.readouterr().err
