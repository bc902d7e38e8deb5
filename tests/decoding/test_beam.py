import numpy as np
import pytest
from keras import ops

from tests.compiled import compiled as one_program
from tests.decoding.conftest import END, SOURCE, START, VOCABULARY, Chain, wu
from zoo.decoding import beam_search, compiled, coverage_penalty, length_penalty, sample, score

MASK = np.ones((2, SOURCE), bool)


def search(model, max_length=4, **options):
    def run():
        return beam_search(
            model.step, model.state(), model.batch, START, END, max_length, **options
        )

    found = one_program(run)()
    return type(found)(*(None if x is None else ops.convert_to_numpy(x) for x in found))


def words(found, source, n=0):
    return tuple(found.tokens[source, n, : found.lengths[source, n]].tolist())


def scripted(rows):
    """A model whose logits depend on the last token alone: `{last: {next: probability}}`."""
    table = np.full((VOCABULARY, VOCABULARY), 1e-9, "float32")
    for last, nexts in rows.items():
        for token, probability in nexts.items():
            table[last, token] = probability
    model = Chain(batch=1)
    model.logits = np.broadcast_to(np.log(table), (1, VOCABULARY, VOCABULARY, VOCABULARY))
    model.logits = np.ascontiguousarray(model.logits)
    return model


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (1.0, 0.0), (0.6, 0.4)])
def test_a_wide_beam_finds_the_best_of_all(chain, alpha, beta):
    found = search(
        chain, 3, beam=90, n_best=3, length_penalty=alpha, coverage_penalty=beta, source_mask=MASK
    )
    for source in range(2):
        best = sorted(
            ((wu(*chain.follow(source, tokens), alpha, beta), tokens) for tokens in chain.every(3)),
            reverse=True,
        )[:3]
        assert [words(found, source, n) for n in range(3)] == [tokens for _, tokens in best]
        np.testing.assert_allclose(found.scores[source], [value for value, _ in best], atol=1e-4)


def test_a_beam_as_wide_as_the_vocabulary_finds_the_best_of_two_steps():
    for seed in range(5):
        model = Chain(batch=1, seed=seed)
        best = max(model.every(2), key=lambda tokens: model.follow(0, tokens)[0].sum())
        assert words(search(model, 2, beam=VOCABULARY), 0) == best


def test_a_beam_of_one_is_greedy(chain):
    found = search(chain, 6, beam=1)
    greedy = sample(chain.step, chain.state(), 2, START, END, 6)
    for ours, theirs in zip(found[:5], greedy[:5], strict=True):
        np.testing.assert_allclose(ours, ops.convert_to_numpy(theirs), atol=1e-6)


def test_a_beam_finds_what_greed_misses():
    # 0.6 * 0.4 = 0.24 is taken first, 0.4 * 0.9 = 0.36 is better.
    model = scripted(
        {START: {2: 0.6, 3: 0.4}, 2: {END: 0.4, 4: 0.3, 2: 0.3}, 3: {END: 0.9, 2: 0.1}}
    )
    assert words(search(model, 2, beam=1), 0) == (2, END)
    found = search(model, 2, beam=2, n_best=2)
    assert words(found, 0) == (3, END) and words(found, 0, 1) == (2, END)
    np.testing.assert_allclose(np.exp(found.log_probabilities), [[0.36, 0.24]], atol=1e-5)


def test_results_are_consistent(chain):
    found = search(chain, 5, beam=4, n_best=4, return_attention=True, source_mask=MASK, pad_id=9)
    assert found.tokens.shape == (2, 4, 5) and found.attention.shape == (2, 4, 5, SOURCE)
    assert np.all(np.diff(found.scores, axis=1) <= 0)
    for source in range(2):
        for n in range(4):
            tokens, length = words(found, source, n), found.lengths[source, n]
            gains, attention = chain.follow(source, tokens)
            assert END not in tokens[:-1]
            assert np.all(found.tokens[source, n, length:] == 9)
            np.testing.assert_allclose(
                found.token_log_probabilities[source, n, :length], gains, atol=1e-5
            )
            assert np.all(found.token_log_probabilities[source, n, length:] == 0)
            np.testing.assert_allclose(found.log_probabilities[source, n], gains.sum(), atol=1e-5)
            np.testing.assert_allclose(found.attention[source, n, :length], attention, atol=1e-6)
            assert np.all(found.attention[source, n, length:] == 0)


def test_scoring_what_was_found_gives_its_scores(chain):
    penalties = {"length_penalty": 0.7, "coverage_penalty": 0.3, "source_mask": MASK}
    found = search(chain, 5, beam=4, n_best=3, return_attention=True, **penalties)
    scored = score(
        chain.step, chain.state(), found.tokens, START, END, return_attention=True, **penalties
    )
    for ours, theirs in zip(found, scored, strict=True):
        np.testing.assert_allclose(ours, ops.convert_to_numpy(theirs), atol=1e-5)


def test_the_penalties_are_those_of_the_paper():
    # (5 + 7) / 6 = 2, so a length of 7 divides by 2 ** alpha.
    np.testing.assert_allclose(
        ops.convert_to_numpy(length_penalty(np.array([1, 7, 13]), 0.5)), [1, 2**0.5, 3**0.5]
    )
    coverage = np.array([[[0.5, 2.0, 0.25], [1.0, 1.0, 0.1]]], "float32")
    mask = np.array([[True, True, False]])
    np.testing.assert_allclose(
        ops.convert_to_numpy(coverage_penalty(coverage, mask, 2.0)),
        [[2 * np.log(0.5), 0.0]],
        atol=1e-6,
    )


def test_the_length_penalty_changes_a_ranking():
    # Short: log 0.51 = -0.67, length 1. Long: log(0.49 * 0.95 ** 3) = -0.87, length 4.
    # With alpha = 1 the long one is divided by 9 / 6, has -0.58 and wins.
    model = scripted(
        {
            START: {END: 0.51, 2: 0.49},
            2: {3: 0.95, 2: 0.05},
            3: {4: 0.95, 2: 0.05},
            4: {END: 0.95, 2: 0.05},
        }
    )
    assert words(search(model, 6, beam=3), 0) == (END,)
    found = search(model, 6, beam=3, length_penalty=1.0)
    assert words(found, 0) == (2, 3, 4, END)
    model = Chain(batch=1)
    del model
    np.testing.assert_allclose(found.scores, [[np.log(0.49 * 0.95**3) / 1.5]], atol=1e-5)


def test_the_coverage_penalty_changes_a_ranking():
    # After 2 all is read from position 0, after 3 from position 1; START reads position 0.
    model = scripted({START: {2: 0.6, 3: 0.4}, 2: {END: 1.0}, 3: {END: 1.0}})
    model.attention = np.eye(SOURCE, dtype="float32")[[0, 0, 0, 1, 2]]
    mask = np.array([[True, True, False]])
    assert words(search(model, 3, beam=3), 0) == (2, END)
    found = search(model, 3, beam=3, coverage_penalty=0.1, source_mask=mask)
    assert words(found, 0) == (3, END)
    np.testing.assert_allclose(found.scores, [[np.log(0.4)]], atol=1e-4)


def test_padded_source_takes_no_part_in_coverage(chain):
    mask = np.array([[True, True, False]] * 2)
    found = search(chain, 3, beam=4, coverage_penalty=0.5, source_mask=mask)
    gains, attention = chain.follow(0, words(found, 0))
    np.testing.assert_allclose(found.scores[0, 0], wu(gains, attention[:, :2], 0.0, 0.5), atol=1e-5)


def test_what_has_ended_is_frozen():
    # (END) with 0.6 is found at once; the beam goes on for the second best, and it stays.
    model = scripted({START: {END: 0.6, 2: 0.4}, 2: {3: 0.9, END: 0.1}, 3: {END: 1.0}})
    found = search(model, 6, beam=2, n_best=2)
    assert words(found, 0) == (END,) and words(found, 0, 1) == (2, 3, END)
    np.testing.assert_allclose(np.exp(found.log_probabilities), [[0.6, 0.36]], atol=1e-5)
    np.testing.assert_array_equal(found.lengths, [[1, 3]])


def test_no_end_before_the_minimum(chain):
    found = search(chain, 6, beam=3, n_best=3, min_length=3)
    assert np.all(found.lengths > 3)
    for n in range(3):
        gains, _ = chain.follow(0, words(found, 0, n))
        np.testing.assert_allclose(found.log_probabilities[0, n], gains.sum(), atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_ngram_comes_twice(size):
    model = Chain(batch=2, seed=3)
    model.logits[..., END] = -20.0  # never the first choice
    length = 4 if size == 1 else 9
    plain = search(model, length, beam=3, n_best=3)
    blocked = search(model, length, beam=3, n_best=3, no_repeat_ngram=size)

    def repeats(found):
        for row, count in zip(found.tokens.reshape(-1, length), found.lengths.ravel(), strict=True):
            ngrams = [tuple(row[i : i + size]) for i in range(count - size + 1)]
            yield len(set(ngrams)) < len(ngrams)

    assert any(repeats(plain)) and not any(repeats(blocked))


def test_blocking_is_exact():
    # 2 3 2 3 2 … is likeliest; with bigrams once only, 3 after the second 2 is barred.
    model = scripted({START: {2: 1.0}, 2: {3: 0.8, 4: 0.2}, 3: {2: 1.0}, 4: {END: 1.0}})
    assert words(search(model, 4, beam=1), 0) == (2, 3, 2, 3)
    assert words(search(model, 5, beam=1, no_repeat_ngram=2), 0) == (2, 3, 2, 4, END)


def test_sources_do_not_disturb_each_other(chain):
    both = search(chain, 5, beam=3)
    for source in range(2):
        alone = Chain(batch=2)
        alone.batch = 1
        alone.logits = chain.logits[source : source + 1]
        assert words(search(alone, 5, beam=3), 0) == words(both, source)


def test_each_source_may_start_with_its_own_token(chain):
    starts = np.array([START, 3])
    found = beam_search(chain.step, chain.state(), 2, starts, END, 4, beam=3)
    expected = beam_search(chain.step, chain.state(), 2, 3, END, 4, beam=3)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(found.tokens)[1], ops.convert_to_numpy(expected.tokens)[1]
    )


def test_compiled_is_the_same(chain):
    def run(before, mask):
        state = {"before": before}
        return beam_search(
            chain.step, state, 2, START, END, 4, beam=3, n_best=2, length_penalty=0.5,
            coverage_penalty=0.2, no_repeat_ngram=2, min_length=1,
            return_attention=True, source_mask=mask,
        )  # fmt: skip

    before = np.zeros(2, "int32")
    program = compiled(run, layers=[])
    plain = run(ops.convert_to_tensor(before), ops.convert_to_tensor(MASK))
    for attempt in (program(before, MASK), program(before, MASK)):
        for ours, theirs in zip(attempt, plain, strict=True):
            np.testing.assert_allclose(
                ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs), atol=1e-5
            )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "`beam` must be at least 1.*beam=0"),
        ({"n_best": 6}, "`n_best` from 1 to `beam`.*n_best=6"),
        ({"max_length": 0}, "`max_length` must be at least 1.*max_length=0"),
        ({"min_length": 4}, "above `min_length`.*min_length=4"),
        ({"length_penalty": -1.0}, "must not be negative.*length_penalty=-1.0"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram=-1"),
        ({"return_attention": True}, "Attention needs `source_mask`.*source_mask=None"),
    ],
)
def test_wrong_numbers_are_named(chain, options, message):
    with pytest.raises(ValueError, match=message):
        search(chain, **options)


def test_a_step_without_attention_is_named(chain):
    def step(tokens, state, index):
        return *chain.step(tokens, state, index)[:2], None

    with pytest.raises(ValueError, match="`step` must return the attention.*Received: None"):
        beam_search(step, chain.state(), 2, START, END, 3, coverage_penalty=1.0, source_mask=MASK)


def test_a_state_that_grows_is_named(chain):
    def step(tokens, state, index):
        logits, _, attention = chain.step(tokens, state, index)
        grown = ops.concatenate([state["before"], tokens])
        return logits, {"before": grown}, attention

    with pytest.raises(ValueError, match="must keep the shapes and dtypes.*before a step"):
        beam_search(step, chain.state(), 2, START, END, 3, beam=1)
