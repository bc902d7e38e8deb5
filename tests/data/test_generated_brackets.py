import pytest

from zoo import data
from zoo.data.generated_brackets import Bracket, closing_brackets

pytestmark = pytest.mark.once
SIZES = {"train": 60, "dev": 20, "test": 20}


def test_texts_are_balanced_and_in_one_split_only():
    splits = data.load("generated_brackets", **SIZES).splits
    texts = [text for columns in splits.values() for text in columns["text"]]
    assert len(set(texts)) == len(texts) == 100
    for text in texts:
        rest = "".join(character for character in text if character not in "abcd")
        while rest:
            shorter = rest
            for kind in ("()", "[]", "{}", "<>"):
                shorter = shorter.replace(kind, "")
            assert shorter != rest
            rest = shorter


def test_distances_and_depths_of_closing_brackets():
    assert list(closing_brackets("(a[bc]d)")) == [Bracket(5, 3, 2), Bracket(7, 7, 1)]
    brackets = [
        bracket
        for text in data.load("generated_brackets", **SIZES).splits["train"]["text"]
        for bracket in closing_brackets(text)
    ]
    assert {bracket.depth for bracket in brackets} == {1, 2, 3, 4}
    assert max(bracket.distance for bracket in brackets) > 50
    shallow = data.load("generated_brackets", **SIZES, depth=1).splits["train"]["text"]
    assert {bracket.depth for text in shallow for bracket in closing_brackets(text)} == {1}


def test_a_seed_gives_its_data_again():
    one, other = (data.load("generated_brackets", **SIZES, seed=seed) for seed in (3, 3))
    assert one == other
    assert data.load("generated_brackets", **SIZES, seed=4).digest != one.digest


@pytest.mark.parametrize("option", [{"depth": 0}, {"depth": 17}, {"train": 0}, {"dev": -1}])
def test_options_out_of_bounds(option):
    with pytest.raises(ValueError, match="Received: "):
        data.load("generated_brackets", **(SIZES | option))
