"""Recording on torch: a function runs once as written, and is repeated call by call after.

A decoding step for one sentence is some forty small torch operations, and Keras spends more
time on getting to them than torch spends on them. So the calls of torch are written down as
they are made, as the lines of a Python function, which is run from then on.

Recording is to torch here what tracing is to the other backends, and asks the same of a
function: to be pure, and the same at each step. Where values of tensors reach Python
(`int(x)`, `if x:`) or something cannot be seen, there is no record, and the function runs as
written each time.
"""

import contextlib
import contextvars
import functools

import keras
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# The record under way, if any.
_active = contextvars.ContextVar("_active", default=None)

# What a tensor may be asked while recording: answers in which its values have no part.
_METADATA = {
    *("__get__", "__len__", "dim", "element_size", "get_device", "is_complex"),
    *("is_contiguous", "is_floating_point", "is_inference", "is_same_size", "is_signed"),
    *("ndimension", "nelement", "numel", "result_type", "size", "storage_offset", "stride"),
}
_CONVERSIONS = {"as_tensor", "contiguous", "tensor", "to"}
_IN_PLACE = {"__setitem__"}


class TracedFunction:
    """A function that is recorded for each new shape of its arguments.

    Args:
        function: Takes and returns nestings of tensors and `None`s.
    """

    def __init__(self, function):
        self.function = function
        self.records = {}

    def __call__(self, *arguments):
        if _active.get() is not None:
            return self.function(*arguments)  # a part of what is being recorded
        tensors = keras.tree.flatten(arguments)
        signature = tuple(x if x is None else (x.shape, x.dtype, x.device) for x in tensors)
        if signature not in self.records:
            nested = functools.partial(keras.tree.pack_sequence_as, arguments)
            record, results = _Record.of(lambda *inputs: self.function(*nested(inputs)), tensors)
            self.records[signature] = record
            return results
        record = self.records[signature]
        if record.failure:
            return self.function(*arguments)
        return keras.tree.pack_sequence_as(record.structure, record.repeat(*tensors))


def loop(body, variables, limit, refusal=None):
    """Repeats a loop body, recording its first step, or all of it into the record under way.

    Args:
        body: Takes the step and the variables; returns whether to stop and the variables.
        variables: list of tensors.
        limit: int. Most steps.
        refusal: str. Why the body must not be recorded. Defaults to `None`.

    Returns:
        The variables after the last step.
    """
    record = _active.get()
    if record is not None:
        record.failure = record.failure or refusal
        return record.add_loop(body, variables, limit)
    if refusal:
        return _run(body, variables, limit)
    record, (finished, *variables) = _Record.of(body, [_steps(limit)[0], *variables])
    once = body if record.failure else record.repeat
    return variables if finished else _run(once, variables, limit, first=1)


class _Record(TorchFunctionMode):
    """The calls of a function in order, as lines of Python.

    Tensors are named `t0`, `t1`, … as they come up, and constants `c0`, `c1`, …
    """

    def __init__(self, inputs):
        super().__init__()
        self.failure = None  # why there can be no record
        self.depth = 0  # of calls under way
        self.lines = []
        self.alive = []  # the tensors that have a name, held so that no `id` is given twice
        self.names = {}  # their names by `id`
        self.constants = {"run": _run}
        self.inputs = [self._name(x) if x is not None else f"none{i}" for i, x in enumerate(inputs)]

    @classmethod
    def of(cls, function, tensors):
        """Runs a function of tensors. Returns the record of it, and its results."""
        tensors = _views(tensors)  # one that is given twice gets two names
        record = cls(tensors)
        token = _active.set(record)
        try:
            with record, _Watch(record):
                results = function(*tensors)
        finally:
            _active.reset(token)
        record._finish(results)
        return record, results

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        self.depth += 1
        try:
            result = function(*args, **kwargs)
        finally:
            self.depth -= 1
        if self.failure is None and self.depth == 0:
            self._add(function, args, kwargs, result)
        return result

    def _add(self, function, args, kwargs, result):
        name = function.__name__
        if name in _CONVERSIONS and (result is args[0] or isinstance(args[0], int | float)):
            return  # nothing was to be done, or it makes a constant
        of_tensors = any(id(x) in self.names for x in keras.tree.flatten((args, kwargs)))
        arguments = [self._write(value) for value in args]
        arguments += [f"{key}={self._write(value)}" for key, value in kwargs.items()]
        call = f"{self._write(function)}({', '.join(arguments)})"
        if isinstance(result, torch.Tensor):
            call = f"{self._name(result)} = {call}"
        elif _is_sequence_of_tensors(result):
            call = f"{', '.join(self._name(part) for part in result)}, = {call}"
        elif name in _METADATA or not (name in _IN_PLACE or of_tensors):
            return
        elif name not in _IN_PLACE:
            self.failure = f"`{name}` takes the value of a tensor to Python."
            return
        self.lines.append(call)

    def _name(self, tensor):
        name = self.names.setdefault(id(tensor), f"t{len(self.alive)}")
        if name == f"t{len(self.alive)}":
            self.alive.append(tensor)
        return name

    def _write(self, value):
        """An argument in Python: a tensor of the record by its name, else a constant."""
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
        if any(id(x) in self.names for x in keras.tree.flatten(value)):
            self.failure = f"A tensor is within a {type(value).__name__}."
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def add_loop(self, body, variables, limit):
        """Records the first step of a loop, repeats the others, and adds it as one call."""
        start = self._write(variables)
        with self._paused():
            # Views have names of their own: a variable may be a constant of the loop as well.
            index, variables = _steps(limit)[0], _views(variables)
        outside, self.lines = self.lines, []
        inputs = [self._name(x) for x in (index, *variables)]
        finished, *variables = body(index, *variables)
        block, self.lines = self._function(inputs, [finished, *variables]), outside
        with self._paused():
            variables = variables if finished else _run(body, variables, limit, first=1)
            variables = _views(variables)
        names = [self._name(x) for x in variables]
        self.lines += [*block, f"{', '.join(names)}, = run(block, {start}, {limit})"]
        return variables

    def _function(self, inputs, outputs):
        returned = f"return {self._write(outputs)}"
        return [f"def block({', '.join(inputs)}):", *(f"    {x}" for x in [*self.lines, returned])]

    @contextlib.contextmanager
    def _paused(self):
        self.depth += 1
        yield
        self.depth -= 1

    def _finish(self, results):
        outputs = keras.tree.flatten(results)
        if not all(x is None or isinstance(x, torch.Tensor) for x in outputs):
            self.failure = self.failure or "Not all of what it returns are tensors."
        # Only the nesting of the results is kept.
        self.structure = keras.tree.map_structure(lambda _: None, results)
        self.source = "\n".join(self._function(self.inputs, outputs))
        self.alive = self.names = None
        if self.failure is None:
            exec(self.source, self.constants)
            self.repeat = self.constants["block"]


class _Watch(TorchDispatchMode):
    """Sees the operations beneath the calls, and so those that no recorded call began."""

    def __init__(self, record):
        super().__init__()
        self.record = record

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if not self.record.depth:
            self.record.failure = f"`{function}` was not seen to be called."
        return function(*args, **(kwargs or {}))


def _run(once, variables, limit, first=0):
    for index in _steps(limit)[first:]:
        finished, *variables = once(index, *variables)
        if finished:
            break
    return variables


def _steps(limit):
    return torch.arange(limit, dtype=torch.int32).unbind()


def _views(tensors):
    """The same tensors as other objects, so that they get names of their own."""
    return [x if x is None else x.view_as(x) for x in tensors]


def _is_sequence_of_tensors(value):
    return (
        isinstance(value, tuple | list)
        and bool(value)
        and all(isinstance(part, torch.Tensor) for part in value)
    )
