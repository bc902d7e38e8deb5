import numpy as np
import pytest
from keras import ops

from tests.compiled import compiled as one_program
from tests.decoding.conftest import END, SOURCE, START, VOCABULARY, SecondOrderModel, wu_score
from zoo.decoding import (
    Lexicon,
    beam_search,
    compiled,
    coverage_penalty,
    length_penalty,
    sample,
    score,
)
from zoo.layers import AttentiveDecoder

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
    """A model whose next token depends on the last one only: `{last: {next: probability}}`."""
    table = np.full((VOCABULARY, VOCABULARY), 1e-9, "float32")
    for last, nexts in rows.items():
        for token, probability in nexts.items():
            table[last, token] = probability
    model = SecondOrderModel(batch=1)
    model.logits = np.broadcast_to(np.log(table), (1, VOCABULARY, VOCABULARY, VOCABULARY))
    model.logits = np.ascontiguousarray(model.logits)
    return model


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (1.0, 0.0), (0.6, 0.4)])
def test_a_wide_beam_finds_the_best_of_all(model, alpha, beta):
    found = search(
        model, 3, beam=90, n_best=3, length_penalty=alpha, coverage_penalty=beta, source_mask=MASK
    )
    for source in range(2):
        best = sorted(
            (
                (wu_score(*model.evaluate(source, tokens), alpha, beta), tokens)
                for tokens in model.hypotheses(3)
            ),
            reverse=True,
        )[:3]
        assert [words(found, source, n) for n in range(3)] == [tokens for _, tokens in best]
        np.testing.assert_allclose(found.scores[source], [value for value, _ in best], atol=1e-4)


def test_a_beam_as_wide_as_the_vocabulary_finds_the_best_of_two_steps():
    for seed in range(5):
        model = SecondOrderModel(batch=1, seed=seed)
        best = max(model.hypotheses(2), key=lambda tokens: model.evaluate(0, tokens)[0].sum())
        assert words(search(model, 2, beam=VOCABULARY), 0) == best


def test_a_beam_of_one_is_greedy(model):
    found = search(model, 6, beam=1)
    greedy = sample(model.step, model.state(), 2, START, END, 6)
    for ours, theirs in zip(found[:5], greedy[:5], strict=True):
        np.testing.assert_allclose(ours, ops.convert_to_numpy(theirs), atol=1e-6)


def test_a_beam_finds_a_better_sequence_than_greedy_search():
    # 0.6 * 0.4 = 0.24 is taken first, 0.4 * 0.9 = 0.36 is better.
    model = scripted(
        {START: {2: 0.6, 3: 0.4}, 2: {END: 0.4, 4: 0.3, 2: 0.3}, 3: {END: 0.9, 2: 0.1}}
    )
    assert words(search(model, 2, beam=1), 0) == (2, END)
    found = search(model, 2, beam=2, n_best=2)
    assert words(found, 0) == (3, END) and words(found, 0, 1) == (2, END)
    np.testing.assert_allclose(np.exp(found.log_probabilities), [[0.36, 0.24]], atol=1e-5)


def test_results_agree_with_each_other_and_with_the_model(model):
    found = search(model, 5, beam=4, n_best=4, return_attention=True, source_mask=MASK, pad_id=9)
    assert found.tokens.shape == (2, 4, 5) and found.attention.shape == (2, 4, 5, SOURCE)
    assert np.all(np.diff(found.scores, axis=1) <= 0)
    for source in range(2):
        for n in range(4):
            tokens, length = words(found, source, n), found.lengths[source, n]
            gains, attention = model.evaluate(source, tokens)
            assert END not in tokens[:-1]
            assert np.all(found.tokens[source, n, length:] == 9)
            np.testing.assert_allclose(
                found.token_log_probabilities[source, n, :length], gains, atol=1e-5
            )
            assert np.all(found.token_log_probabilities[source, n, length:] == 0)
            np.testing.assert_allclose(found.log_probabilities[source, n], gains.sum(), atol=1e-5)
            np.testing.assert_allclose(found.attention[source, n, :length], attention, atol=1e-6)
            assert np.all(found.attention[source, n, length:] == 0)


def test_scores_of_the_found_hypotheses_are_reproduced(model):
    penalties = {"length_penalty": 0.7, "coverage_penalty": 0.3, "source_mask": MASK}
    found = search(model, 5, beam=4, n_best=3, return_attention=True, **penalties)
    scored = score(
        model.step, model.state(), found.tokens, START, END, return_attention=True, **penalties
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
    np.testing.assert_allclose(found.scores, [[np.log(0.49 * 0.95**3) / 1.5]], atol=1e-5)


def test_the_coverage_penalty_changes_a_ranking():
    # START and 2 attend to position 0, 3 to position 1.
    model = scripted({START: {2: 0.6, 3: 0.4}, 2: {END: 1.0}, 3: {END: 1.0}})
    model.attention = np.eye(SOURCE, dtype="float32")[[0, 0, 0, 1, 2]]
    mask = np.array([[True, True, False]])
    assert words(search(model, 3, beam=3), 0) == (2, END)
    found = search(model, 3, beam=3, coverage_penalty=0.1, source_mask=mask)
    assert words(found, 0) == (3, END)
    np.testing.assert_allclose(found.scores, [[np.log(0.4)]], atol=1e-4)


def test_coverage_leaves_out_the_padded_source(model):
    mask = np.array([[True, True, False]] * 2)
    found = search(model, 3, beam=4, coverage_penalty=0.5, source_mask=mask)
    gains, attention = model.evaluate(0, words(found, 0))
    np.testing.assert_allclose(
        found.scores[0, 0], wu_score(gains, attention[:, :2], 0.0, 0.5), atol=1e-5
    )


def test_an_ended_hypothesis_keeps_its_score():
    # (END) with 0.6 ends at the first step and stays best while the search continues.
    model = scripted({START: {END: 0.6, 2: 0.4}, 2: {3: 0.9, END: 0.1}, 3: {END: 1.0}})
    found = search(model, 6, beam=2, n_best=2)
    assert words(found, 0) == (END,) and words(found, 0, 1) == (2, 3, END)
    np.testing.assert_allclose(np.exp(found.log_probabilities), [[0.6, 0.36]], atol=1e-5)
    np.testing.assert_array_equal(found.lengths, [[1, 3]])


def test_no_hypothesis_ends_before_the_minimum_length(model):
    found = search(model, 6, beam=3, n_best=3, min_length=3)
    assert np.all(found.lengths > 3)
    for n in range(3):
        gains, _ = model.evaluate(0, words(found, 0, n))
        np.testing.assert_allclose(found.log_probabilities[0, n], gains.sum(), atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_ngram_is_repeated(size):
    model = SecondOrderModel(batch=2, seed=3)
    model.logits[..., END] = -20.0  # never the first choice
    length = 4 if size == 1 else 9
    plain = search(model, length, beam=3, n_best=3)
    blocked = search(model, length, beam=3, n_best=3, no_repeat_ngram=size)

    def repeats(found):
        for row, count in zip(found.tokens.reshape(-1, length), found.lengths.ravel(), strict=True):
            ngrams = [tuple(row[i : i + size]) for i in range(count - size + 1)]
            yield len(set(ngrams)) < len(ngrams)

    assert any(repeats(plain)) and not any(repeats(blocked))


def test_blocking_allows_everything_but_repeated_ngrams():
    # 2 3 2 3 2 … is most probable; if no bigram may be repeated, 3 after the second 2 is blocked.
    model = scripted({START: {2: 1.0}, 2: {3: 0.8, 4: 0.2}, 3: {2: 1.0}, 4: {END: 1.0}})
    assert words(search(model, 4, beam=1), 0) == (2, 3, 2, 3)
    assert words(search(model, 5, beam=1, no_repeat_ngram=2), 0) == (2, 3, 2, 4, END)


def test_sources_are_independent_of_each_other(model):
    both = search(model, 5, beam=3)
    for source in range(2):
        alone = SecondOrderModel(batch=2)
        alone.batch = 1
        alone.logits = model.logits[source : source + 1]
        assert words(search(alone, 5, beam=3), 0) == words(both, source)


def test_each_source_may_start_with_its_own_token(model):
    starts = np.array([START, 3])
    found = beam_search(model.step, model.state(), 2, starts, END, 4, beam=3)
    expected = beam_search(model.step, model.state(), 2, 3, END, 4, beam=3)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(found.tokens)[1], ops.convert_to_numpy(expected.tokens)[1]
    )


def test_a_compiled_search_gives_the_same_results(model):
    def run(before, mask):
        state = {"before": before}
        return beam_search(
            model.step, state, 2, START, END, 4, beam=3, n_best=2, length_penalty=0.5,
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
        ({"beam": 0}, "`beam` must be an integer of at least 1.*beam=0"),
        ({"beam": [2]}, r"`beam` must be an integer of at least 1.*beam=\[2\]"),
        ({"beam": "3"}, "beam='3'"),
        ({"beam": True}, "beam=True"),
        ({"n_best": 6}, "`n_best` must be at most `beam`.*n_best=6"),
        ({"n_best": None}, "`n_best` must be an integer.*n_best=None"),
        ({"max_length": 0}, "`max_length` must be an integer of at least 1.*max_length=0"),
        ({"max_length": 4.0}, "max_length=4.0"),
        ({"min_length": 4}, "larger than `min_length`.*min_length=4"),
        ({"min_length": "1"}, "min_length='1'"),
        ({"length_penalty": -1.0}, "finite number of at least 0.*length_penalty=-1.0"),
        ({"length_penalty": "1"}, "length_penalty='1'"),
        ({"coverage_penalty": float("nan")}, "coverage_penalty=nan"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram=-1"),
        ({"no_repeat_ngram": (2,)}, "no_repeat_ngram="),
        ({"return_attention": True}, "Attention needs `source_mask`.*source_mask=None"),
    ],
)
def test_wrong_options_are_errors(model, options, message):
    with pytest.raises(ValueError, match=message):
        search(model, **options)


@pytest.mark.parametrize("options", [{"coverage_penalty": 1.0}, {"return_attention": True}])
def test_a_model_without_attention_is_an_error_if_attention_is_needed(model, options):
    def step(tokens, state, index):
        return *model.step(tokens, state, index)[:2], None

    options["source_mask"] = MASK
    message = "need a model with attention: set them to 0 and False.*attention=None"
    with pytest.raises(ValueError, match=message):
        beam_search(step, model.state(), 2, START, END, 3, **options)
    with pytest.raises(ValueError, match=message):
        score(step, model.state(), np.array([[2, END], [3, END]]), START, END, **options)
    if "return_attention" in options:
        with pytest.raises(ValueError, match=message):
            sample(step, model.state(), 2, START, END, 3, **options)


def test_a_decoder_without_attention_has_no_coverage():
    decoder = AttentiveDecoder("gru", VOCABULARY, "none")
    memory = np.ones((2, SOURCE, VOCABULARY), "float32")
    decoder(memory, memory, encoder_state=memory[:, 0])
    state, constants = decoder.start(memory, encoder_state=memory[:, 0])

    def step(tokens, state, index):
        return decoder.step(ops.one_hot(tokens, VOCABULARY), state, constants)

    beam_search(step, state, 2, START, END, 3)
    with pytest.raises(ValueError, match="need a model with attention"):
        beam_search(step, state, 2, START, END, 3, coverage_penalty=0.1, source_mask=MASK)


def test_a_state_that_grows_is_an_error(model):
    def step(tokens, state, index):
        logits, _, attention = model.step(tokens, state, index)
        grown = ops.concatenate([state["before"], tokens])
        return logits, {"before": grown}, attention

    with pytest.raises(ValueError, match="must keep the shapes and dtypes.*before a step"):
        beam_search(step, model.state(), 2, START, END, 3, beam=1)


def test_hypotheses_that_do_not_exist_are_not_returned():
    # Two sequences in all: 2 and END, or END alone.
    model = scripted({START: {2: 0.4, END: 0.6}, 2: {END: 1.0}})
    model.logits = np.where(model.logits < -15, -1e9, model.logits).astype("float32")
    for penalty in (0.0, 2.0):
        found = search(
            model, 3, beam=4, n_best=4, length_penalty=penalty, pad_id=9,
            return_attention=True, source_mask=MASK[:1],
        )  # fmt: skip
        assert ops.convert_to_numpy(found.counts).tolist() == [2]
        assert words(found, 0) == (END,) and words(found, 0, 1) == (2, END)
        np.testing.assert_allclose(np.exp(found.log_probabilities), [[0.6, 0.4, 0, 0]], atol=1e-5)
        assert found.scores[0, 2:].tolist() == [-np.inf] * 2
        assert found.lengths[0].tolist() == [1, 2, 0, 0]
        assert np.all(found.tokens[0, 2:] == 9) and np.all(found.attention[0, 2:] == 0)
        assert np.all(found.token_log_probabilities[0, 2:] == 0)


def test_hypotheses_of_too_few_words_are_counted():
    model = SecondOrderModel()
    found = search(model, 1, beam=8, n_best=8)
    assert ops.convert_to_numpy(found.counts).tolist() == [VOCABULARY] * 2
    for source in range(2):
        tokens = {words(found, source, n) for n in range(VOCABULARY)}
        assert tokens == {(token,) for token in range(VOCABULARY)}
    assert np.all(np.isneginf(found.scores[:, VOCABULARY:]))


def test_a_lexicon_allows_its_words_alone(model):
    lexicon = Lexicon([[2], [2, 3]], separator=4)
    found = search(model, 4, beam=40, n_best=20, lexicon=lexicon.table(VOCABULARY, END))
    texts = [(END,), (2, END), (2, 3, END), (2, 4, 2, END)]  # those that end in four steps
    for source in range(2):
        ended = [words(found, source, n) for n in range(found.counts[source])]
        scores = dict(zip(ended, found.scores[source], strict=False))
        ended = [text for text in ended if text[-1] == END]
        expected = {text: model.evaluate(source, text)[0].sum() for text in texts}
        assert ended == sorted(expected, key=expected.get, reverse=True)
        for text in texts:
            assert scores[text] == pytest.approx(expected[text], abs=1e-4)


@pytest.mark.once
@pytest.mark.parametrize(
    ("max_length", "expected"),
    [
        (1, {(END,)}),
        (2, {(END,), (0, 3)}),
        (3, {(END,), (0, 3, END), (2, 3, 3)}),
        (5, {(END,), (0, 3, END), (2, 3, 3, END), (0, 3, 4, 0, 3)}),
    ],
)
def test_a_cut_hypothesis_has_whole_words_of_a_lexicon(model, max_length, expected):
    table = Lexicon([[2, 3, 3], [0, 3]], separator=4).table(VOCABULARY, END)
    assert table[:, END].tolist() == [0, -2, -2, -1, 0, -1, 0, -1]
    found = search(model, max_length, beam=9, n_best=9, lexicon=table)
    for source in range(2):
        assert {words(found, source, n) for n in range(found.counts[source])} == expected


@pytest.mark.once
def test_scores_that_are_not_normalized_add_up(model):
    plain = search(model, 4, beam=3)
    model.logits = model.log_probabilities.astype("float32") - 1
    found = search(model, 4, beam=3, normalize=False)
    np.testing.assert_array_equal(found.lengths > 0, plain.lengths > 0)
    for source in range(2):
        gains, _ = model.evaluate(source, words(found, source))
        assert found.scores[source, 0] == pytest.approx((gains - 1).sum(), abs=1e-4)


@pytest.mark.once
def test_wrong_lexicons_are_refused(model):
    with pytest.raises(ValueError, match="shape \\[nodes, vocabulary\\].*\\(5,\\)"):
        search(model, lexicon=np.zeros(5, "int32"))
    with pytest.raises(ValueError, match="list fewer words"):
        Lexicon([[2]], None).table(1 << 25, END)
