"""Tracing on torch: a function runs once as written, afterwards its torch calls are repeated.

A decoding step for one sentence is some forty small torch operations, and Keras takes longer to
dispatch them than torch to run them. A trace writes the torch calls of a function as the lines of
a Python function, which runs from then on: see `zoo.decoding.torch_program`. Some functions are
replaced by faster ones, and small tensors that are the same in every call, such as indices, are
computed once.

As on the other backends, a traced function must be pure and do the same at each step. If it needs
values of tensors in Python (`int(x)`, `if x:`), or torch operations have no visible call, it
cannot be traced and runs as written each time.
"""

import contextlib
import contextvars
import functools
import re

import keras
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.decoding import torch_kernels, torch_program
from zoo.decoding.torch_program import Call, Loop

# The trace in progress, if any.
_active = contextvars.ContextVar("_active", default=None)

# Functions of a tensor whose results do not depend on its values.
_METADATA = {
    *("__get__", "__len__", "dim", "element_size", "get_device", "is_complex"),
    *("is_contiguous", "is_floating_point", "is_inference", "is_same_size", "is_signed"),
    *("ndimension", "nelement", "numel", "result_type", "size", "storage_offset", "stride"),
}
# Random with dropout, of which inference has none.
_WITH_DROPOUT = re.compile("gru|lstm|rnn_(tanh|relu)|_?scaled_dot_product_.*attention.*")
# What is the same in every call, beside tensors that are.
_FIXED = (bool, int, float, str, type(...), torch.dtype, torch.device, torch.layout)
# Most elements of a result that is kept for all calls.
_MAX_KEPT = 4096
# Functions that change an argument: `add_`, `__iadd__`, `__setitem__`.
_IN_PLACE = re.compile(
    r"\w*[^_]_|__setitem__|__i(add|and|div|floordiv|lshift|mod|mul|or|pow|rshift|sub|truediv|xor)__"
)


class TracedFunction:
    """A function that is traced for each new shape of its arguments.

    Args:
        function: Takes and returns nestings of tensors and `None`s.
    """

    def __init__(self, function):
        self.function = function
        self.traces = {}

    def __call__(self, *arguments):
        if _active.get() is not None:
            return self.function(*arguments)  # part of the trace in progress
        tensors = keras.tree.flatten(arguments)
        signature = tuple(x if x is None else (x.shape, x.dtype, x.device) for x in tensors)
        if signature not in self.traces:
            nested = functools.partial(keras.tree.pack_sequence_as, arguments)
            trace, results = _Trace.of(lambda *inputs: self.function(*nested(inputs)), tensors)
            self.traces[signature] = trace
            return results
        trace = self.traces[signature]
        if trace.obstacle:
            return self.function(*arguments)
        return keras.tree.pack_sequence_as(trace.structure, trace.run(*tensors))


def loop(body, variables, limit, obstacle=None):
    """Repeats a loop body. Traces its first step, or adds the loop to the trace in progress.

    Args:
        body: Takes the index of the step and the variables; returns whether to stop and the
            variables.
        variables: list of tensors.
        limit: int. Most steps.
        obstacle: str. The reason why the body cannot be traced. Defaults to `None`.

    Returns:
        The variables after the last step.
    """
    trace = _active.get()
    if trace is not None:
        trace.obstacle = trace.obstacle or obstacle
        return trace.add_loop(body, variables, limit)
    if obstacle:
        return _run_loop(body, variables, limit)
    trace, (finished, *variables) = _Trace.of(body, [_steps(limit)[0], *variables])
    step = body if trace.obstacle else trace.run
    return variables if finished else _run_loop(step, variables, limit, first=1)


class _Trace(TorchFunctionMode):
    """The torch calls of a function in order, as lines of Python.

    Tensors are named `t0`, `t1`, … in the order of their use, and constants `c0`, `c1`, …
    """

    def __init__(self, inputs):
        super().__init__()
        self.obstacle = None  # the reason why the function cannot be traced
        self.depth = 0  # number of nested torch calls in progress
        self.calls = []
        self.alive = []  # the named tensors, kept alive because an `id` may be used again
        self.names = {}  # their names by `id`
        self.constants = {"run_loop": _run_loop}
        self.constant_names = {}  # by `id`
        self.fixed = set()  # the names of tensors that are the same in every call
        self.inputs = [self._name(x) if x is not None else f"none{i}" for i, x in enumerate(inputs)]

    @classmethod
    def of(cls, function, tensors):
        """Runs a function of tensors. Returns its trace and its results."""
        tensors = _views(tensors)  # a tensor that is passed twice gets two names
        trace = cls(tensors)
        token = _active.set(trace)
        try:
            with trace, _HiddenOperations(trace):
                results = function(*tensors)
        finally:
            _active.reset(token)
        trace._finish(results)
        return trace, results

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        self.depth += 1
        try:
            function = torch_kernels.faster(function, args, kwargs)
            result = function(*args, **kwargs)
        finally:
            self.depth -= 1
        if self.obstacle is None and self.depth == 0:
            self._add(function, args, kwargs, result)
        return result

    def _add(self, function, args, kwargs, result):
        name = function.__name__
        in_place = "out" in kwargs or bool(_IN_PLACE.fullmatch(name))
        if args and result is args[0] and not in_place:
            return
        one, several = isinstance(result, torch.Tensor), _is_sequence_of_tensors(result)
        if not (one or several or in_place):
            if name not in _METADATA and self._has_named((args, kwargs)):
                self.obstacle = f"`{name}` needs the value of a tensor in Python."
            return
        arguments = [self._write(value) for value in args]
        arguments += [f"{key}={self._write(value)}" for key, value in kwargs.items()]
        call = f"{self._write(function)}({', '.join(arguments)})"
        results = [result] if one else result if several else []
        names = tuple(self._name(part) for part in results)
        values = None
        is_small = sum(part.numel() for part in results) <= _MAX_KEPT
        if is_small and not in_place and self._is_fixed((args, kwargs)):
            self.fixed.update(names)
            values = tuple(results)
        self.calls.append(Call(call, names, several, in_place, values))

    def _is_fixed(self, value):
        """True if all tensors of a nesting are the same in every call."""
        if isinstance(value, torch.Tensor):
            return self.names.get(id(value)) in self.fixed
        if isinstance(value, slice):
            value = (value.start, value.stop, value.step)
        if isinstance(value, dict):
            value = value.values()
        if isinstance(value, tuple | list | type({}.values())):
            return all(map(self._is_fixed, value))
        return value is None or isinstance(value, _FIXED)  # no variable, which may be assigned

    def _name(self, tensor):
        name = self.names.setdefault(id(tensor), f"t{len(self.alive)}")
        if name == f"t{len(self.alive)}":
            self.alive.append(tensor)
        return name

    def _has_named(self, value):
        """Returns whether a nesting has a named tensor; slow, as Keras flattens by torch."""
        return any(id(x) in self.names for x in keras.tree.flatten(value))

    def _write(self, value):
        """An argument as Python: a named tensor by its name, anything else as a constant."""
        if isinstance(value, torch.Tensor) and id(value) in self.names:
            return self.names[id(value)]
        if isinstance(value, slice):
            parts = (value.start, value.stop, value.step)
            return f"slice({', '.join(self._write(part) for part in parts)})"
        if type(value) in (tuple, list, torch.Size):
            parts = "".join(f"{self._write(part)}, " for part in value)
            return f"[{parts}]" if isinstance(value, list) else f"({parts})"
        if value is None or type(value) in (bool, int, str):
            return repr(value)
        if self._has_named(value):
            self.obstacle = f"A tensor is inside a {type(value).__name__}."
        name = self.constant_names.setdefault(id(value), f"c{len(self.constants)}")
        self.constants[name] = value
        return name

    def add_loop(self, body, variables, limit):
        """Traces the first step of a loop, runs the others, and adds the loop as one call."""
        start = [self._write(x) for x in variables]
        with self._paused():
            # Views get names of their own: a variable may also be a constant of the loop.
            index, variables = _steps(limit)[0], _views(variables)
        outside, self.calls = self.calls, []
        inputs = [self._name(x) for x in (index, *variables)]
        finished, *variables = body(index, *variables)
        outputs = [self._write(x) for x in (finished, *variables)]
        calls, self.calls = self.calls, outside
        with self._paused():
            variables = variables if finished else _run_loop(body, variables, limit, first=1)
            variables = _views(variables)
        names = [self._name(x) for x in variables]
        self.calls.append(Loop(limit, inputs, calls, outputs, start, names))
        return variables

    @contextlib.contextmanager
    def _paused(self):
        self.depth += 1
        yield
        self.depth -= 1

    def _finish(self, results):
        outputs = keras.tree.flatten(results)
        if not all(x is None or isinstance(x, torch.Tensor) for x in outputs):
            self.obstacle = self.obstacle or "Not all of its results are tensors."
        # The structure of the results, without their tensors.
        self.structure = keras.tree.map_structure(lambda _: None, results)
        outputs = [self._write(x) for x in outputs]
        calls, outputs = torch_program.without_duplicates(self.calls, outputs)
        calls, values = torch_program.without_fixed(calls)
        calls, used = torch_program.without_unneeded(calls, outputs)
        calls = torch_program.without_repetition(calls)
        # Copies, as what is returned may be changed by the caller.
        self.constants |= {name: x.clone() for name, x in values.items() if name in used}
        calls = torch_program.with_copies(calls, values)
        outputs = [
            f"{x}.clone()" if x in values or (x != "None" and x in outputs[:place]) else x
            for place, x in enumerate(outputs)
        ]
        self.source = "\n".join(torch_program.function(self.inputs, calls, outputs))
        self.calls = self.alive = self.names = self.constant_names = None
        if self.obstacle is None:
            exec(self.source, self.constants)
            self.run = self.constants["block"]


class _HiddenOperations(TorchDispatchMode):
    """Finds torch operations that no traced call started, which a trace would lack."""

    def __init__(self, trace):
        super().__init__()
        self.trace = trace

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if not self.trace.depth:
            self.trace.obstacle = f"`{function}` has no visible call."
        name, _, _ = function.__name__.partition(".")
        is_random = torch.Tag.nondeterministic_seeded in function.tags
        if is_random and not _WITH_DROPOUT.fullmatch(name):
            self.trace.obstacle = f"`{function}` draws random numbers."
        return function(*args, **(kwargs or {}))


def _run_loop(step, variables, limit, first=0):
    """Runs the steps of a loop from the index `first` on, until one is the last."""
    for index in _steps(limit)[first:]:
        finished, *variables = step(index, *variables)
        if finished:
            break
    return variables


def _steps(limit):
    return torch.arange(limit, dtype=torch.int32).unbind()


def _views(tensors):
    """The same tensors as new objects, so that they get names of their own."""
    return [x if x is None else x.view_as(x) for x in tensors]


def _is_sequence_of_tensors(value):
    return (
        isinstance(value, tuple | list)
        and bool(value)
        and all(isinstance(part, torch.Tensor) for part in value)
    )
