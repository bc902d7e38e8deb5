"""Traced functions on torch return the results of the functions as written."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.decoding.conftest import END, SOURCE, START
from zoo.decoding import beam_search, compiled, sample
from zoo.layers import RecurrentEncoder

if keras.config.backend() != "torch":
    pytest.skip("Tracing is for torch only.", allow_module_level=True)

import torch

from zoo.decoding import torch_tracing

PROBABILITIES = ("scores", "log_probabilities", "token_log_probabilities")
MASK = np.ones((2, SOURCE), bool)


def decode(model, step, state):
    """The results of beam search and greedy decoding, as arrays."""
    results = [
        beam_search(
            step, state, 2, START, END, 6, beam=3, n_best=2, coverage_penalty=0.2,
            no_repeat_ngram=2, return_attention=True, source_mask=MASK,
        ),
        sample(step, state, 2, START, END, 6, return_attention=True, source_mask=MASK),
    ]  # fmt: skip
    return [ops.convert_to_numpy(x) for result in results for x in result]


def called(trace):
    """The names of the functions that a trace calls."""
    names = {name for name in trace.constants if f"{name}(" in trace.source}
    return {getattr(trace.constants[name], "__name__", name) for name in names}


def assert_same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def decode_untraced(monkeypatch, *arguments):
    with monkeypatch.context() as patch:
        patch.setattr(
            torch_tracing,
            "loop",
            lambda body, variables, limit, _: torch_tracing._run_loop(body, variables, limit),
        )
        return decode(*arguments)


def test_a_traced_loop_equals_the_loop_as_written(model, monkeypatch):
    steps = []

    def step(tokens, state, index):
        steps.append(index)
        return model.step(tokens, state, index)

    traced = decode(model, step, model.state())
    assert len(steps) == 2  # the first step of each of the two loops
    assert_same(traced, decode_untraced(monkeypatch, model, step, model.state()))
    assert len(steps) > 6


def test_a_tensor_may_occur_twice_in_a_state(model, monkeypatch):
    def step(tokens, state, index):
        logits, after, attention = model.step(tokens, {"before": state["before"]}, index)
        return (
            logits + state["again"][:, None] % 2,
            after | {"again": state["again"] + 1},
            attention,
        )

    zeros = ops.zeros((2,), "int32")
    state = {"before": zeros, "again": zeros}
    assert_same(decode(model, step, state), decode_untraced(monkeypatch, model, step, state))


def test_a_step_that_needs_values_runs_as_written(model, monkeypatch):
    def step(tokens, state, index):
        logits, state, attention = model.step(tokens, state, index)
        return logits * (2 if int(index) % 2 else 0.5), state, attention

    state = model.state()
    assert_same(decode(model, step, state), decode_untraced(monkeypatch, model, step, state))


def test_a_compiled_function_takes_new_arguments_and_new_weights(model):
    head = keras.layers.Dense(5, kernel_initializer="identity")
    head.build((None, 5))

    def search(one, other):
        def step(tokens, state, index):
            logits, state, attention = model.step(tokens, state, index)
            return head(logits) * one[:1] + other[:1], state, attention

        return sample(step, model.state(), 2, START, END, 4).log_probabilities

    program = compiled(search, layers=[head])
    ones, twos = np.ones((2, 1), "float32"), np.full((2, 1), 2.0, "float32")
    for arguments in ((ones, ones), (twos, ones), (ones, twos)):
        tensors = [ops.convert_to_tensor(x) for x in arguments]
        np.testing.assert_allclose(program(*arguments), search(*tensors), atol=1e-6)
    before = program(ones, ones)
    same = ops.convert_to_tensor(ones)
    np.testing.assert_array_equal(program(same, same), before)  # one tensor as two arguments
    head.set_weights([2 * weights for weights in head.get_weights()])
    assert np.abs(np.asarray(program(ones, ones)) - np.asarray(before)).max() > 0.1


def test_an_encoder_of_padded_texts_is_traced():
    """Its check of the mask reads values in Python, which would end the trace."""
    encoder = RecurrentEncoder("gru", 4, bidirectional=True)
    x, mask = np.ones((2, 3, 4), "float32"), np.array([[True] * 3, [True, False, False]])
    expected = encoder(x, mask)
    traced = torch_tracing.TracedFunction(lambda *inputs: encoder(*inputs))
    with torch.inference_mode():
        inputs = [ops.convert_to_tensor(array) for array in (x, mask)]
        answers = [traced(*inputs) for _ in range(2)]
    assert [trace.obstacle for trace in traced.traces.values()] == [None]
    for answer in answers:
        for one, other in zip(
            keras.tree.flatten(answer), keras.tree.flatten(expected), strict=True
        ):
            np.testing.assert_allclose(one.numpy(), other.detach().numpy(), atol=1e-6)


def test_a_traced_search_computes_what_is_returned(model):
    """The logarithms of probabilities are not among the calls that give the tokens alone."""

    def search(start):
        return beam_search(model.step, model.state(), 2, start, END, 6, beam=1)

    def tokens(start):
        return search(start)._replace(**dict.fromkeys(PROBABILITIES))

    sources, answers = [], []
    for function in (search, tokens):
        traced = torch_tracing.TracedFunction(function)
        start = torch.full((2,), START, dtype=torch.int32)
        with torch.inference_mode():
            answers.append([traced(start) for _ in range(2)])
        (trace,) = traced.traces.values()
        sources.append(called(trace))
    assert "logsumexp" in sources[0] and "logsumexp" not in sources[1]
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one.tokens, other.tokens)


def test_a_constant_that_a_call_changes_is_made_in_every_run():
    def function(x):
        total = torch.zeros(3)
        total += x
        indices = torch.arange(3)
        return total * indices, torch.arange(3) + indices

    traced = torch_tracing.TracedFunction(function)
    with torch.inference_mode():
        for value in (1.0, 1.0, 2.0):
            one, other = traced(torch.full((3,), value))
            np.testing.assert_array_equal(one, [0, value, 2 * value])
            np.testing.assert_array_equal(other, [0, 2, 4])
            other += 1  # what is returned is the caller's
    (trace,) = traced.traces.values()
    assert trace.obstacle is None
    assert "arange" not in called(trace)


def test_random_numbers_are_drawn_in_every_run():
    traced = torch_tracing.TracedFunction(lambda x: x + torch.rand(3))
    with torch.inference_mode():
        one, other = (traced(torch.zeros(3)) for _ in range(2))
    assert (one != other).all()


def test_a_variable_of_keras_has_its_present_value():
    variable = keras.Variable(np.ones(3, "float32"))
    traced = torch_tracing.TracedFunction(lambda x: x + torch.sum(variable.value))
    direct = torch_tracing.TracedFunction(lambda x: x + torch.mul(variable, 2))
    with torch.inference_mode():
        for value in (1.0, 1.0, 5.0):
            variable.assign(np.full(3, value, "float32"))
            np.testing.assert_array_equal(traced(torch.zeros(3)), np.full(3, 3 * value))
            np.testing.assert_array_equal(direct(torch.zeros(3)), np.full(3, 2 * value))


def test_results_are_tensors_of_their_own():
    def function(x):
        def body(index, total, kept):
            return index >= 2, total + 1, kept

        total, kept = torch_tracing.loop(body, [x, torch.zeros(2)], 4)
        return total, kept, x + 1, x + 1

    traced = torch_tracing.TracedFunction(function)
    with torch.inference_mode():
        for _ in range(3):
            results = traced(torch.zeros(2))
            for found, expected in zip(results, (3, 0, 1, 1), strict=True):
                np.testing.assert_array_equal(found, [expected] * 2)
                found += 7
    (trace,) = traced.traces.values()
    assert trace.obstacle is None


def test_attention_is_traced():
    attend = torch.nn.functional.scaled_dot_product_attention
    traced = torch_tracing.TracedFunction(lambda x: attend(x, x, x))
    x = torch.rand(2, 3, 5, 4)
    with torch.inference_mode():
        one, other = traced(x), traced(x)
    np.testing.assert_array_equal(one, other)
    (trace,) = traced.traces.values()
    assert trace.obstacle is None
