"""Tagging schemes; spans are compared with seqeval's over every short sequence."""

import itertools
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from seqeval.metrics.sequence_labeling import get_entities

import zoo
from zoo.tags import (
    SCHEMES,
    bio_constraints,
    count_ill_formed,
    is_allowed,
    parse_tag,
    repair,
    spans,
    standard_tags,
    tagging_scheme,
)

pytestmark = pytest.mark.once

TYPED = ["O", *(f"{prefix}-{kind}" for kind in ("x", "y-z") for prefix in "BIES")]
UNTYPED = [*"OBIES"]


def sequences(tags, longest):
    for length in range(longest + 1):
        yield from map(list, itertools.product(tags, repeat=length))


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("O", ("O", "_")),
        ("B-per", ("B", "per")),
        ("I-creative-work", ("I", "creative-work")),
        ("S", ("S", "_")),
        ("B-", None),
        ("", None),
        ("O-per", None),
        ("NOUN", None),
        ("U-per", None),
        ("b-per", None),
        ("Bper", None),
    ],
)
def test_a_tag_is_parsed_into_prefix_and_type(tag, expected):
    assert parse_tag(tag) == expected


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O", "B-a", "I-a"], "bio"),
        (["B-a", "O"], "bio"),
        (["B", "I"], "bio"),
        (["O", "I-a"], "io"),
        (["I-a", "I-b"], "io"),
        (["O", "I"], "io"),
        (["O", "B-a", "E-a"], "bioes"),
        (["S-a"], "bioes"),
        (["B", "I", "E", "S", "O"], "bioes"),
        (["NOUN", "INTJ"], None),
        (["O", "B-a", "B-"], None),
        (["O"], None),
        ([], None),
    ],
)
def test_the_scheme_of_a_set_of_tags(tags, scheme):
    assert tagging_scheme(iter(tags)) == scheme


@pytest.mark.parametrize("tags", [TYPED, UNTYPED])
def test_spans_equal_those_of_seqeval(tags):
    for sequence in sequences(tags, 4):
        expected = [(kind, start, last + 1) for kind, start, last in get_entities(sequence)]
        assert spans(sequence) == expected, sequence


def test_spans_are_half_open_and_untyped_ones_have_the_type_underscore():
    assert spans(("B-a", "I-a", "O", "B-b-c")) == [("a", 0, 2), ("b-c", 3, 4)]
    assert spans(["B", "I", "B"]) == [("_", 0, 2), ("_", 2, 3)]
    assert spans([]) == []
    with pytest.raises(ValueError, match="O, or B, I, E or S, .* Received: 'NOUN'"):
        spans(["B-a", "NOUN"])


# A second definition of the schemes: the sentences that are well-formed; group 3 is a type.
SENTENCES = {
    "io": r"((O|I(-\S+)?) )*",
    "bio": r"((O|B(-\S+|)( I\3)*) )*",
    "bioes": r"((O|S(?:-\S+)?|B(-\S+|)( I\3)* E\3) )*",
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("tags", [TYPED, UNTYPED])
def test_transitions_constraints_and_counts_agree(scheme, tags):
    tags = [tag for tag in tags if tag[0] in SCHEMES[scheme]]
    constraints = np.array(bio_constraints(tags, scheme), bool)
    assert constraints.tolist() == np.array(bio_constraints(tags, scheme.upper()), bool).tolist()
    for before, after in itertools.product(tags, tags):
        allowed = is_allowed(parse_tag(before), parse_tag(after), scheme)
        assert constraints[tags.index(before), tags.index(after)] == allowed
    for sequence in sequences(tags, 3):
        path = [-1, *map(tags.index, sequence), -1]
        forbidden = int((~constraints[path[:-1], path[1:]]).sum()) if sequence else 0
        assert count_ill_formed([sequence, ["O"], sequence], scheme) == 2 * forbidden
        text = "".join(f"{tag} " for tag in sequence)
        assert bool(re.fullmatch(SENTENCES[scheme], text)) == (forbidden == 0), sequence


@pytest.mark.parametrize(
    ("scheme", "tags", "count"),
    [
        ("bio", ["B-a", "I-a", "I-a", "B-a", "O"], 0),
        ("bio", ["I-a"], 1),
        ("bio", ["O", "I-a", "I-a", "O", "I-a"], 2),
        ("bio", ["B-a", "I-b", "I-a"], 2),
        ("bio", ["B", "I", "O", "I"], 1),
        ("bio", [], 0),
        ("bioes", ["S-a", "B-a", "I-a", "E-a", "S-a", "O"], 0),
        ("bioes", ["B-a"], 1),
        ("bioes", ["B-a", "O"], 1),
        ("bioes", ["E-a"], 1),
        ("bioes", ["B-a", "E-b"], 1),
        ("bioes", ["B-a", "B-a", "E-a"], 1),
        ("bioes", ["E-a", "I-a"], 3),  # at the start, between the two, at the end
        ("io", ["I-a", "I-b", "O", "I-a"], 0),
    ],
)
def test_the_number_of_ill_formed_transitions(scheme, tags, count):
    assert count_ill_formed([tags], scheme) == count


def test_unknown_schemes_and_tags_of_no_scheme_are_refused():
    with pytest.raises(ValueError, match="one of io, bio, bioes, or None. Received: scheme='BIO'"):
        count_ill_formed([["O"]], "BIO")
    with pytest.raises(ValueError, match="B, I, E or S, .*Received: 'U-a'"):
        count_ill_formed([["U-a"]], "bioes")
    with pytest.raises(ValueError, match="O, or I, alone .*Received: 'B-a'"):
        bio_constraints(["O", "B-a"], "IO")
    with pytest.raises(ValueError, match="one of IO, BIO, BIOES. Received: scheme=None"):
        bio_constraints(["O"], None)


@pytest.mark.parametrize(
    ("tags", "scheme", "expected"),
    [
        (["O", "I-A", "I-A", "I-B"], "bio", ["O", "B-A", "I-A", "B-B"]),
        (["B-A", "I-A", "B-A"], "bio", ["B-A", "I-A", "B-A"]),
        (["B-A", "I-A", "O", "I-B"], "bioes", ["B-A", "E-A", "O", "S-B"]),
        (["I", "I", "O", "B"], "bio", ["B", "I", "O", "B"]),
        ([], "bio", []),
    ],
)
def test_repair(tags, scheme, expected):
    assert repair(tags, scheme) == expected


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
@pytest.mark.parametrize("tags", [TYPED, UNTYPED])
def test_repaired_tags_are_well_formed_and_mark_the_same_spans(tags, scheme):
    for sequence in sequences(tags, 3):
        repaired = repair(sequence, scheme)
        assert spans(repaired) == spans(sequence)
        assert count_ill_formed([repaired], scheme) == 0


def test_importing_zoo_tags_imports_nothing_heavy():
    script = "import sys, zoo.tags\nassert not {'seqeval', 'numpy', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=Path(zoo.__file__).parents[1], check=True)


@pytest.mark.parametrize(
    ("tags", "renamed", "scheme"),
    [
        (["O", "B-a", "I-a", "L-a", "U-a"], {"L-a": "E-a", "U-a": "S-a"}, "bioes"),  # BILOU
        (["B-a", "M-a", "E-a", "S-a"], {"M-a": "I-a"}, "bioes"),  # BMES
        (["B", "M", "E", "S"], {"M": "I"}, "bioes"),
        (["O", "B-a", "M-a", "E-a", "W-a"], {"M-a": "I-a", "W-a": "S-a"}, "bioes"),  # BMEWO
        (["O", "a-B", "a-I", "x-y-B"], {"a-B": "B-a", "a-I": "I-a", "x-y-B": "B-x-y"}, "bio"),
        (["o", "b-a", "i-a"], {"o": "O", "b-a": "B-a", "i-a": "I-a"}, "bio"),
        (["O", "B_a", "I_a"], {"B_a": "B-a", "I_a": "I-a"}, "bio"),
        (["O", "B-a", "I-a"], {}, "bio"),
        (["NOUN", "VERB", "X"], {}, None),
        (["E", "M", "L"], {}, None),  # letters that are no prefixes
        (["B-a", "b-a", "X"], {}, None),
    ],
)
def test_tags_of_other_notations_are_renamed(tags, renamed, scheme):
    assert standard_tags(iter(tags)) == renamed
    assert tagging_scheme(renamed.get(tag, tag) for tag in tags) == scheme


def test_tags_that_look_like_spans_are_warned_of():
    with pytest.warns(UserWarning, match="belong to no known scheme.*Received: O, X-a, X-b, Y-a"):
        assert tagging_scheme(["O", "X-a", "Y-a", "X-b", "Y-b"]) is None
    with pytest.warns(UserWarning, match="BILOU"):
        assert tagging_scheme(["O", "B-a", "L-a", "U-a"]) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tagging_scheme(["NOUN", "-LRB-", "PRP$", "ncn+jcs", "O"])
