"""Glossaries: where a source has a term, the text has its target term."""

import functools

import pytest

from tests.models.test_arguments import INPUTS, MAKERS
from tests.models.test_seq2seq_lm import SOURCES, make, make_preprocessor
from zoo.cli import main
from zoo.data import read_glossary
from zoo.models import ImageToText
from zoo.models.seq2seq_lm.glossary import Glossary
from zoo.search_options import SearchOptions

PAIRS = {"three": "drei zwei", "one two": "eins", "하나": "둘"}


@pytest.fixture(scope="module")
def models():
    made = functools.cache(lambda variant: make(make_preprocessor(), variant))
    return lambda variant="none": made(variant)


@pytest.mark.once
@pytest.mark.parametrize("variant", ["copying", "transformer"])
def test_texts_have_the_terms_that_their_sources_ask_for(models, variant):
    model = models(variant)
    answers = model.infer([*SOURCES, ""], glossary=PAIRS, max_length=8)
    plain = model.infer([*SOURCES, ""], max_length=8)
    wanted = [["drei zwei", "eins"], ["drei zwei"], [], [], ["둘"], []]
    for answer, other, terms in zip(answers, plain, wanted, strict=True):
        assert all(term in answer.text for term in terms)
        assert terms or answer.text == other.text
    (alone,) = model.infer(SOURCES[4:5], glossary=PAIRS, max_length=8)
    assert alone.text == answers[4].text


@pytest.mark.once
def test_source_terms_are_whole_words_and_the_longest_counts():
    pairs = {"New York": "a", "York": "b", "cat": "c", "컵": "d", "x+": "e"}
    glossary = Glossary(tuple(pairs.items()), list)

    def found(text):
        return "".join(glossary.terms(text))

    assert found("new  york and YORK") == "ab"
    assert found("category cats concat") == "" and found("Cat, cat!") == "c"
    assert found("머그컵에 물을") == "d" and found("x+ x") == "e"
    assert glossary.terms("York") == {"b": ["b"]}
    hindi = Glossary((("कल", "tomorrow"),), list)
    assert not hindi.terms("यह कला है") and hindi.terms("यह कल है")


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"glossary": {"one": " "}}, r"neither of them empty.*Received: \('one', ' '\)"),
        ({"glossary": "one=eins, two"}, r"neither of them empty.*\(' two',\)"),
        ({"glossary": 3}, "neither of them empty.*Received: 3"),
        ({"glossary": ["ab"]}, r"neither of them empty.*Received: \('ab',\)"),
        ({"glossary": [1]}, r"neither of them empty.*Received: \(1,\)"),
        ({"glossary": "one=eins,ONE=zwei"}, "one target term.*'ONE' with 'eins' and 'zwei'"),
        ({"glossary": {"one": "뷁"}}, "`glossary` must have characters.*know 뷁"),
        (
            {"glossary": PAIRS, "forbidden": ["zwei"]},
            "must not contain a forbidden word.*'drei zwei', forbidden='zwei'",
        ),
        (
            {"glossary": PAIRS, "max_length": 3},
            "larger than the number of tokens.*max_length=3, .*'drei zwei' for 'one two three'",
        ),
        (
            {"glossary": PAIRS, "prefix": "zwei zwei zwei zwei", "max_length": 6},
            "of `prefix` and of the glossary's terms together",
        ),
        (
            {"glossary": {"three": "zwei zwei"}, "no_repeat_ngram": 1},
            "allows once.*no_repeat_ngram=1, 'zwei zwei' for",
        ),
    ],
)
def test_contradictions_are_said_before_decoding(models, monkeypatch, options, message):
    model = models()
    monkeypatch.setattr(model, "_encode", lambda texts: pytest.fail("it decodes"))
    with pytest.raises(ValueError, match=message):
        model.infer(SOURCES, **options)


@pytest.mark.once
@pytest.mark.parametrize("beam", [1, 5])
def test_limits_that_no_text_satisfies_are_named(models, beam):
    options = {"prefix": "eins zwei", "no_repeat_ngram": 1, "glossary": {"three": "eins drei"}}
    with pytest.raises(ValueError) as caught:
        models().infer(SOURCES, beam=beam, **options)
    assert str(caught.value) == (
        "No text was found that satisfies all limits: set a larger `beam` or `max_length`, or "
        f"fewer limits. Received: beam={beam}, no_repeat_ngram=1, prefix='eins zwei', "
        "glossary=(('three', 'eins drei'),), for input number 2"
    )


@pytest.mark.once
def test_a_glossary_needs_a_text_as_input():
    model = MAKERS[ImageToText]()
    with pytest.raises(ValueError, match="needs texts as inputs.*Received: glossary=.*'a', 'b'"):
        model.infer(INPUTS[ImageToText], glossary={"a": "b"})


@pytest.mark.once
def test_a_glossary_has_many_forms():
    expected = (("bike", "Fahrrad"), ("dog", "Hund"))
    for given in (
        "bike=Fahrrad, dog = Hund",
        {"bike": "Fahrrad", "dog": "Hund"},
        [("bike", "Fahrrad"), ["dog", "Hund"], ("bike", "Fahrrad")],
    ):
        assert SearchOptions(glossary=given).glossary == expected
    assert SearchOptions(glossary="  ").glossary == ()
    assert hash(SearchOptions(glossary={"a": "b"}))


@pytest.mark.once
def test_files_of_terms(tmp_path, capsys):
    file = tmp_path / "terms.tsv"
    file.write_text("bike\tFahrrad\r\n\ntwo dogs \t zwei Hunde\n")
    assert read_glossary(file) == {"bike": "Fahrrad", "two dogs": "zwei Hunde"}
    for content, message in (
        ("a\tb\nbike\t\n", "line 2: a line must have a source term, a tab.*'bike"),
        ("bike Fahrrad\n", "line 1: a line must have"),
        ("a\tb\na\tc\n", "line 2: a source term must have one target term.*'b' and 'c'"),
        ("\n", "no rows"),
    ):
        file.write_text(content)
        with pytest.raises(ValueError, match=message):
            read_glossary(file)
    words = ["infer", "gru_bahdanau_multi30k_en_de", "a", "--glossary"]
    assert main([*words, str(tmp_path / "none.tsv")]) == 2
    assert main([*words, str(file)]) == 2
    assert main(["infer", "bilstm_bahdanau_sst2_en", "a", "--glossary", str(file)]) == 2
    errors = capsys.readouterr().err
    assert (
        "--glossary: There is no such file" in errors
        and "--glossary and --align are for models" in errors
    )
