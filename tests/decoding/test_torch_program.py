"""What programs of torch calls leave out, and what they take out of a loop."""

import pytest

from zoo.decoding.torch_program import (
    Call,
    Loop,
    without_duplicates,
    without_fixed,
    without_repetition,
    without_unneeded,
)

pytestmark = pytest.mark.once


def loop(body, variables, results, outputs, constants=()):
    inputs = ["t100", *variables]
    start = [f"t{int(name[1:]) + 100}" for name in variables]
    return Loop(9, inputs, [*constants, *body], ["t50", *outputs], start, results)


def texts(calls):
    return [call.text for call in calls if isinstance(call, Call)]


def test_what_no_output_depends_on_is_left_out():
    calls = [
        Call("f(t0)", ("t1",)),
        Call("g(t0)", ("t2",)),
        Call("h(t1)", ("t3", "t4"), several=True),
        Call("k(t2)", ("t5",)),
    ]
    kept, used = without_unneeded(calls, ["t4"])
    assert texts(kept) == ["f(t0)", "h(t1)"]
    assert used >= {"t0", "t1", "t4"}
    assert kept[1].lines() == ["t3, t4, = h(t1)"]


def test_what_changes_an_argument_stays():
    calls = [Call("zeros()", ("t1",)), Call("add_(t1, 1)", ("t1",), in_place=True)]
    assert without_unneeded(calls, [])[0] == calls


def test_a_loop_keeps_the_variables_on_which_its_results_depend():
    # t1 needs itself, t2 needs t3 of the step before, and nothing needs t4.
    body = [
        Call("ends(t1)", ("t50",)),
        Call("f(t1)", ("t11",)),
        Call("g(t3)", ("t12",)),
        Call("h(t100)", ("t13",)),
        Call("k(t4)", ("t14",)),
    ]
    made = loop(body, ["t1", "t2", "t3", "t4"], ["t21", "t22", "t23", "t24"],
                ["t11", "t12", "t13", "t14"])  # fmt: skip
    (kept,), _ = without_unneeded([made], ["t22"])
    assert kept.inputs == ["t100", "t1", "t2", "t3"]
    assert kept.results == ["t21", "t22", "t23"]
    assert kept.start == ["t101", "t102", "t103"]
    assert "k(t4)" not in texts(kept.body)
    (shorter,), _ = without_unneeded([made], ["t21"])
    assert texts(shorter.body) == ["ends(t1)", "f(t1)"]


def test_a_tensor_from_outside_that_a_step_changes_is_read_at_each_step():
    body = [
        Call("f(t9)", ("t12",)),
        Call("t9[0] = t1", in_place=True),
        Call("g(t12)", ("t11",)),
        Call("ends(t1)", ("t50",)),
    ]
    made = loop(body, ["t1"], ["t21"], ["t11"])
    (kept,) = without_repetition([made])
    assert texts(kept.body) == texts(body)
    # Such a loop stays, whatever its results are needed for.
    _, kept = without_unneeded([Call("zeros()", ("t9",)), made], ["t9"])[0]
    assert "t9[0] = t1" in texts(kept.body)


def test_what_is_the_same_at_each_step_precedes_the_loop():
    body = [
        Call("transpose(c1)", ("t5",)),
        Call("f(t5, t7)", ("t6",)),
        Call("g(t6, t1)", ("t11",)),
        Call("ends(t100)", ("t50",)),
    ]
    *once, rest = without_repetition([loop(body, ["t1"], ["t21"], ["t11"])])
    assert texts(once) == ["transpose(c1)", "f(t5, t7)"]
    assert texts(rest.body) == ["g(t6, t1)", "ends(t100)"]


def test_a_tensor_that_a_step_changes_is_made_at_each_step():
    body = [
        Call("zeros()", ("t5",)),
        Call("view(t5)", ("t6",)),
        Call("add_(t6, t1)", ("t6",), in_place=True),
        Call("f(t5)", ("t11",)),
        Call("ones()", ("t8",)),
        Call("ends(t1, t8)", ("t50",)),
    ]
    *once, rest = without_repetition([loop(body, ["t1"], ["t21"], ["t11"])])
    assert texts(once) == ["ones()"]
    assert texts(rest.body)[:4] == ["zeros()", "view(t5)", "add_(t6, t1)", "f(t5)"]


def fixed(text, name):
    return Call(text, (name,), values=(text,))


def test_what_is_the_same_in_every_run_is_a_constant():
    body = [fixed("ones()", "t8"), Call("f(t1, t8, t5)", ("t11",)), Call("ends(t1)", ("t50",))]
    calls = [fixed("zeros()", "t5"), loop(body, ["t1"], ["t21"], ["t11"])]
    (kept,), values = without_fixed(calls)
    assert texts(kept.body) == ["f(t1, t8, t5)", "ends(t1)"]
    assert values == {"t5": "zeros()", "t8": "ones()"}


def test_what_changes_later_is_no_constant():
    calls = [
        fixed("zeros()", "t5"),
        fixed("view(t5)", "t6"),
        fixed("ones()", "t7"),
        Call("add_(t6, t0)", ("t6",), in_place=True),
        fixed("f(t5)", "t8"),
    ]
    kept, values = without_fixed(calls)
    assert texts(kept) == ["zeros()", "view(t5)", "add_(t6, t0)", "f(t5)"]
    assert values == {"t7": "ones()"}
    # A variable of a loop that the next step changes.
    body = [
        Call("add_(t1, 1)", ("t1",), in_place=True),
        fixed("zeros()", "t11"),
        fixed("zeros()", "t12"),
        Call("ends(t2)", ("t50",)),
    ]
    made = loop(body, ["t1", "t2"], ["t21", "t22"], ["t11", "t12"])
    (kept,), values = without_fixed([made])
    assert values == {"t12": "zeros()"}
    (kept,), _ = without_duplicates([made], ["t21"])
    assert len(kept.body) == 4


def test_a_call_is_made_once():
    body = [
        Call("f(t0)", ("t9",)),
        Call("g(t9, t1)", ("t11",)),
        Call("g(t2, t1)", ("t12",)),
        Call("ends(t12)", ("t50",)),
    ]
    calls = [
        Call("f(t0)", ("t2",)),
        Call("f(t0)", ("t3",)),
        Call("h(t3)", ("t4",)),
        loop(body, ["t1", "t6"], ["t21", "t26"], ["t11", "t12"]),
        Call("h(t2)", ("t5",)),
    ]
    kept, outputs = without_duplicates(calls, ["t3", "t5", "t26"])
    assert outputs == ["t2", "t4", "t26"]
    assert texts(kept) == ["f(t0)", "h(t2)"]
    assert texts(kept[2].body) == ["g(t2, t1)", "ends(t11)"]
    assert kept[2].outputs == ["t50", "t11", "t11"]
    # What one call changes, the other must not share.
    calls = [Call("f()", ("t1",)), Call("f()", ("t2",)), Call("add_(t2)", ("t2",), in_place=True)]
    assert without_duplicates(calls, ["t1", "t2"]) == (calls, ["t1", "t2"])
