"""Splits that keep paraphrases together."""

import pytest

from zoo.data.grouping import split_by_group

pytestmark = pytest.mark.once

ROWS = {
    "source": [f"question {i}" for i in range(200)],
    "target": [f"answer {i // 4}" for i in range(200)],
}


def test_rows_with_the_same_answer_or_question_stay_together():
    rows = {name: [*values, extra] for (name, values), extra in zip(
        ROWS.items(), ("QUESTION  8 ?", "answer-12!"), strict=True)}  # fmt: skip
    splits = split_by_group(rows, ("source", "target"), {"dev": 30, "test": 20})
    assert sum(len(columns["source"]) for columns in splits.values()) == 201
    of = {
        (source, target): name
        for name, columns in splits.items()
        for source, target in zip(columns["source"], columns["target"], strict=True)
    }
    for i in range(200):
        first = 4 * (i // 4)
        assert (
            of[f"question {i}", f"answer {i // 4}"] == of[f"question {first}", f"answer {i // 4}"]
        )
    tied = {of["question 8", "answer 2"], of["question 48", "answer 12"]}
    assert tied == {of["QUESTION  8 ?", "answer-12!"]}


def test_a_split_depends_on_the_texts_alone_and_keeps_their_order():
    splits = split_by_group(ROWS, ("target",), {"dev": 30, "test": 20})
    again = split_by_group(
        {name: values[::-1] for name, values in ROWS.items()}, ("target",), {"dev": 30, "test": 20}
    )
    for name, columns in splits.items():
        assert columns["source"] == again[name]["source"][::-1]
        assert columns["source"] == sorted(columns["source"], key=ROWS["source"].index)
    sizes = {name: len(columns["source"]) for name, columns in splits.items()}
    assert list(sizes) == ["train", "dev", "test"] and 70 < sizes["train"] < 130
    assert sizes["dev"] > 30 and sizes["test"] > 15
