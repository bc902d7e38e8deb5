import pytest

from zoo.data.conll import FormatError, column_sentences, conllu_sentences

pytestmark = pytest.mark.once


def word(number, form, upos="NOUN", xpos="NN"):
    return f"{number}\t{form}\t_\t{upos}\t{xpos}\t_\t0\t_\t_\t_"


# "I haven't gone", as in English-EWT, and a sentence with a word that was not written.
HAVENT = [
    "# sent_id = 1",
    "# text = I haven't gone",
    word(1, "I", "PRON", "PRP"),
    word("2-3", "haven't", "_", "_"),
    word(2, "have", "AUX", "VBP"),
    word(3, "n't", "PART", "RB"),
    word(4, "gone", "VERB", "VBN"),
    "",
    word(1, "Sue", "PROPN", "NNP"),
    word(2, "likes", "VERB", "VBZ"),
    word("2.1", "likes", "VERB", "VBZ"),
    word(3, "#", "SYM", "NFP"),
    "",
]
WORDS = [["I", "have", "n't", "gone"], ["Sue", "likes", "#"]]
UPOS = [["PRON", "AUX", "PART", "VERB"], ["PROPN", "VERB", "SYM"]]
XPOS = [["PRP", "VBP", "RB", "VBN"], ["NNP", "VBZ", "NFP"]]


def test_syntactic_words_are_read_and_ranges_and_empty_nodes_are_not():
    assert list(conllu_sentences(HAVENT)) == list(zip(WORDS, UPOS, strict=True))
    assert list(conllu_sentences(HAVENT, ("xpos",))) == list(zip(WORDS, XPOS, strict=True))
    both = list(conllu_sentences(HAVENT, ("upos", "xpos")))
    assert both == list(zip(WORDS, UPOS, XPOS, strict=True))


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_line_ends_blank_lines_and_comments_are_ignored(end):
    lines = ["", " ", "# newdoc", "", *HAVENT, "", "\t", "# the end"]
    assert [words for words, _ in conllu_sentences(line + end for line in lines)] == WORDS
    assert [words for words, _ in conllu_sentences(HAVENT[:-1])] == WORDS  # no line after the last
    assert list(conllu_sentences([])) == list(conllu_sentences(["# alone", ""])) == []


def test_an_empty_node_first_and_two_multiword_tokens():
    lines = [
        word("0.1", "_", "_", "_"),
        word("1-2", "du", "_", "_"),
        word(1, "de"),
        word(2, "le"),
        word("3-4", "au", "_", "_"),
        word(3, "à"),
        word(4, "le"),
    ]
    assert list(conllu_sentences(lines)) == [(["de", "le", "à", "le"], ["NOUN"] * 4)]


def test_a_word_may_be_an_underscore_or_hold_spaces():
    lines = [word(1, "_"), word(2, "10 000"), word(3, "\u2028\u00a0")]
    assert list(conllu_sentences(lines))[0][0] == ["_", "10 000", "\u2028\u00a0"]


def test_a_sentence_of_1000_words():
    lines = [word(i, f"word{i}") for i in range(1, 1001)]
    ((words, tags),) = conllu_sentences(lines)
    assert len(words) == len(tags) == 1000 and words[-1] == "word1000"
    ((words, tags),) = column_sentences(f"word{i} X" for i in range(1000))
    assert len(words) == len(tags) == 1000


@pytest.mark.parametrize(
    "line, expected",
    [
        ("2\tb\t_\tNOUN", "line 2: .*10 fields, separated by tabs. Received: 4 in"),
        (word(2, "b").replace("\t", "  "), "line 2: .*Received: 1 in"),
        (word(3, "b"), "line 2: .*2 must follow. Received: '3'"),
        (word(1, "b"), "line 2: .*sentences end with a blank line; here 2.*Received: '1'"),
        (word("_", "b"), "line 2: .*Received: '_'"),
        (word("2-1", "b"), "line 2: the first field must be the number.*Received: '2-1'"),
        (word("two", "b"), "line 2: the first field must be the number.*Received: 'two'"),
        (word(2, ""), "line 2: every word must have its form. Received: ''"),
        (word(2, "b", upos="_"), "line 2: every word must have its upos. Received: '_'"),
    ],
)
def test_errors_in_conllu_name_the_line(line, expected):
    with pytest.raises(FormatError, match=expected):
        list(conllu_sentences([word(1, "a"), line]))


def test_a_tag_that_is_not_read_may_be_missing():
    lines = [word(1, "a", xpos="_")]
    assert list(conllu_sentences(lines)) == [(["a"], ["NOUN"])]
    with pytest.raises(FormatError, match="line 1: every word must have its xpos"):
        list(conllu_sentences(lines, ("xpos",)))


COLUMNS = [
    "-DOCSTART-\t-X-\t-X-\tO",
    "",
    "New\tNNP\tI-NP\tB-LOC",
    "York\tNNP\tI-NP\tI-LOC",
    "",
    "",
    "#\t#\t_\tO",
]
FOUND = [(["New", "York"], ["B-LOC", "I-LOC"]), (["#"], ["O"])]


@pytest.mark.parametrize("between", ["\t", " ", "   "])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_columns_have_the_word_first_and_its_tag_last(between, end):
    lines = [line.replace("\t", between) + end for line in COLUMNS]
    assert list(column_sentences(lines)) == FOUND
    assert list(column_sentences([*lines, end, "-DOCSTART- O" + end])) == FOUND
    assert list(column_sentences([])) == list(column_sentences(["", "\t", "-DOCSTART- O"])) == []


def test_a_space_between_tabs_is_a_character():
    assert list(column_sentences(["가\tO", " \tO", "나 \tO"])) == [(["가", " ", "나"], ["O"] * 3)]
    with pytest.raises(FormatError, match="neither the word nor its tag may be empty"):
        list(column_sentences(["가\t "]))


def test_words_may_hold_spaces_between_tabs_and_other_spaces_anywhere():
    assert list(column_sentences(["New York\tLOC"])) == [(["New York"], ["LOC"])]
    assert list(column_sentences(["10\u00a0000\u2028 NUM"])) == [(["10\u00a0000\u2028"], ["NUM"])]


@pytest.mark.parametrize(
    "line, expected",
    [
        ("word", "line 2: .*two columns, first the word and last its tag.*Received: 'word'"),
        ("# a comment", "line 2: .*as many columns as the first, 2; .*no comments.*Received: 3"),
        ("a\tb\tO", "line 2: .*Received: 3 in"),
        ("word\t", "line 2: neither the word nor its tag may be empty"),
        ("\tO", "line 2: neither the word nor its tag may be empty"),
    ],
)
def test_errors_in_columns_name_the_line(line, expected):
    with pytest.raises(FormatError, match=expected):
        list(column_sentences(["a\tO", line]))
