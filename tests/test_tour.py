"""The sentences of `make run` and of the README are answered as it is stated behind them."""

import pytest

import zoo
from tests.stated import explained, statements
from zoo.explain.spans import segments

STATED = [statement for statement in statements() if ":/" not in statement.model]


@pytest.mark.once
def test_every_sentence_has_a_stated_answer():
    """Of the models of the registry, `tests/training/test_session.py` tests the answers."""
    assert len(STATED) >= 5 and len(statements()) >= 7
    for statement in statements():
        assert len(statement.answers) == len(statement.texts) > 0, statement
    answered = {(it.model, text) for it in statements() for text in it.texts}
    assert len(explained()) >= 3 and explained() <= answered


@pytest.mark.parametrize("model", sorted({statement.model for statement in STATED}))
def test_published_models_answer_as_stated(model):
    loaded = zoo.load(model)
    for statement in STATED:
        if statement.model == model:
            options = {
                key: int(value) for key, value in (it.split("=") for it in statement.options)
            }
            answers = loaded.infer(list(statement.texts), **options)
            assert tuple(map(plain, answers)) == statement.answers


def plain(answer):
    """An answer as one line."""
    if hasattr(answer, "tags"):
        marked = [(span.type, span.start, span.end) for span in answer.spans]
        parts = segments(answer.tokens, marked, answer.separator)
        text = "".join(part if type is None else f"<{part}:{type}>" for type, part in parts)
        return " ".join(answer.tags) if answer.separator else text
    return answer.label if hasattr(answer, "label") else answer.text
