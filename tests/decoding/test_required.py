"""Required sequences, against every sequence that a small model can write."""

import numpy as np
import pytest
from keras import ops

from tests.decoding.conftest import END, START, SecondOrderModel
from tests.decoding.test_limits import best_of_all, holds, run, words
from zoo.decoding import beam_search, compiled, required_table, token_table

LENGTH = 4
NONE = ()


def room_is_kept(tokens, sequences):
    """True if at each step the sequences that are missing would still fit one after another."""
    for end in range(len(tokens) + 1):
        before = tokens[:end]
        missing = [it for it in sequences if not holds(before, it)]
        begun = [n for it in missing for n in range(len(it)) if before[end - n :] == it[:n]]
        if sum(map(len, missing)) - max(begun, default=0) > LENGTH - end:
            return False
    return True


@pytest.mark.parametrize(
    "sequences",
    [
        [[(2, 3)], [(4,), (3, 3)]],
        [[(2, 3), (3, 4)], NONE],  # may share a token; the second source needs nothing
        [[(2, 2, 3)], [(2,), (2, 0), (0, 3)]],  # begins again after a 2 too many
    ],
)
def test_a_wide_beam_finds_the_best_with_the_sequences(model, sequences):
    found = run(beam_search, model, beam=400, n_best=3, required=required_table(sequences))
    for source, needed in enumerate(sequences):

        def allowed(tokens, needed=needed):
            return all(holds(tokens, it) for it in needed) and room_is_kept(tokens, needed)

        def value(tokens, source=source):
            return model.evaluate(source, tokens)[0].sum()

        expected = best_of_all(model, source, allowed, value)[:3]
        count = len(expected)
        assert [words(found, source, n) for n in range(count)] == [it for _, it in expected]
        np.testing.assert_allclose(
            found.scores[source, :count], [it for it, _ in expected], atol=1e-4
        )


def test_other_limits_hold_beside_them(model):
    sequences, forbidden = [(3, 4), (2,)], [(4, 2), (0,)]
    found = run(
        beam_search, model, beam=400, n_best=3, prefix=[3], min_length=3, repetition_penalty=1.5,
        required=required_table([sequences])[0], forbidden=token_table(forbidden),
    )  # fmt: skip
    for source in range(2):

        def allowed(tokens):
            return (
                tokens[0] == 3
                and all(holds(tokens, it) for it in sequences)
                and room_is_kept(tokens, sequences)
                and not any(holds(tokens[1:], it) for it in forbidden if len(it) == 1)
                and not any(holds(tokens, it) for it in forbidden)
                and END not in tokens[:3]
            )

        def value(tokens, source=source):
            gains = model.evaluate(source, tokens)[0]
            again = [n > 0 and token in tokens[:n] for n, token in enumerate(tokens)]
            return (gains * np.where(again, 1.5, 1.0)).sum()

        expected = [it for _, it in best_of_all(model, source, allowed, value)[:3]]
        assert [words(found, source, n) for n in range(len(expected))] == expected


@pytest.mark.parametrize("beam", [1, 2, 5])
def test_a_narrow_beam_has_the_sequences_too(beam):
    """Also where the model would never write them, and where they hardly fit."""
    model, sequences = SecondOrderModel(seed=3), [[(2, 2, 3), (4,)], [(0, 3), (3, 0)]]
    model.logits[..., [0, 3]] -= 12.0
    exponentials = np.exp(model.logits.astype("float64"))
    model.log_probabilities = np.log(exponentials / exponentials.sum(-1, keepdims=True))
    for length in (4, 7):
        found = run(beam_search, model, length, beam=beam, required=required_table(sequences))
        assert (found.scores > -1000).all()
        for source, needed in enumerate(sequences):
            tokens = words(found, source)
            assert all(holds(tokens, it) for it in needed)
            np.testing.assert_allclose(
                found.log_probabilities[source, 0],
                model.evaluate(source, tokens)[0].sum(),
                atol=1e-3,
            )


def test_what_the_best_hypothesis_has_already_changes_nothing(model):
    best = run(beam_search, model, 6, beam=6)
    sequences = [[words(best, source)[:1]] for source in range(2)]
    again = run(beam_search, model, 6, beam=6, required=required_table(sequences))
    assert (again.scores >= best.scores - 1e-5).all()


def test_one_program_serves_all_sequences_of_a_shape(model):
    traced = []

    def search(required):
        traced.append(required)
        return beam_search(model.step, model.state(), 2, START, END, 6, beam=4, required=required)

    program = compiled(search, layers=[])
    for sequences in ([[(2, 3)], NONE], [[(4,)], [(3, 4)]]):
        found = program(required_table(sequences))
        tokens = ops.convert_to_numpy(found.tokens)[:, 0]
        for row, needed in zip(tokens, sequences, strict=True):
            assert all(holds(tuple(row.tolist()), it) for it in needed)
    assert len(traced) == 1


@pytest.mark.once
def test_the_table_is_padded_to_powers_of_two():
    table = required_table([[(5, 6, 7)], NONE, [(8,), (9,), (9, 9)]])
    assert table.shape == (3, 4, 4)
    assert table[0].tolist() == [[-1, 5, 6, 7]] + [[-1] * 4] * 3
    assert (table[1] == -1).all() and table[2, 2].tolist() == [-1, -1, 9, 9]
    for wrong in ([], [NONE], [[(1,), ()]]):
        with pytest.raises(ValueError, match="at least one token"):
            required_table(wrong)


@pytest.mark.once
def test_a_table_of_another_shape_is_an_error(model):
    with pytest.raises(ValueError, match=r"\[batch, sequences, length\].*\(3, 1, 1\), batch=2"):
        run(beam_search, model, required=required_table([[(2,)]] * 3))
