"""Programs of torch calls, without those that are not needed or that a loop would repeat.

XLA does the same on the other backends: a caller that takes the tokens of a search alone does not
pay for their probabilities.
"""

import re
from typing import NamedTuple

# The names of tensors in a program, which are the names of nothing else.
NAME = re.compile(r"\bt\d+\b")


class Call(NamedTuple):
    """A torch call.

    Attributes:
        text: str. The call as Python.
        results: Names of the tensors that it returns.
        several: bool. Whether it returns them in a sequence.
        in_place: bool. Whether it changes an argument. It is then never left out or moved.
        values: The tensors that it returns, if they are the same in every run of the program.
    """

    text: str
    results: tuple[str, ...] = ()
    several: bool = False
    in_place: bool = False
    values: tuple | None = None

    @property
    def names(self):
        """The names of its arguments."""
        return set(NAME.findall(self.text))

    def lines(self):
        """The call as lines of Python."""
        comma = "," if self.several else ""
        return [f"{', '.join(self.results)}{comma} = {self.text}" if self.results else self.text]

    def renamed(self, names):
        """The same call of other tensors, by the names of these."""
        return self._replace(text=_renamed(self.text, names))


class Loop(NamedTuple):
    """A loop. Its body takes the index of the step and the variables.

    Attributes:
        limit: int. Most steps.
        inputs: Names of the index and of the variables in the body.
        body: List of calls and loops.
        outputs: Names of the flag that ends the loop and of the next variables in the body.
        start: Names of the variables before the first step.
        results: Names of the variables after the last step.
    """

    limit: int
    inputs: list[str]
    body: list
    outputs: list[str]
    start: list[str]
    results: list[str]

    @property
    def in_place(self):
        """True if a call of the body changes an argument."""
        return any(call.in_place for call in self.body)

    @property
    def changed(self):
        """The variables that a step may change in place, by their names after the step before."""
        found, before = set(), None
        while found != before:
            before, changed = found, _changed(self.body, found)
            pairs = zip(self.inputs[1:], self.outputs[1:], strict=True)
            found = {after for name, after in pairs if name in changed}
        return found

    @property
    def names(self):
        """The names of tensors from before the loop."""
        found = {*self.start, *self.outputs}
        inside = set(self.inputs)
        for call in self.body:
            found |= call.names
            inside |= set(call.results)
        return {name for name in found - inside if NAME.fullmatch(name)}

    def lines(self):
        """The loop as lines of Python."""
        call = f"run_loop(block, [{', '.join(self.start)}], {self.limit})"
        results = f"{', '.join(self.results)}, = " if self.results else ""
        return [*function(self.inputs, self.body, self.outputs), results + call]

    def renamed(self, names):
        """The same loop over other tensors, by the names of these."""
        return self._replace(
            body=[call.renamed(names) for call in self.body],
            outputs=[names.get(name, name) for name in self.outputs],
            start=[names.get(name, name) for name in self.start],
        )

    def only(self, needed):
        """The same loop without the variables on which no needed result depends."""
        kept = {i for i, name in enumerate(self.results) if name in needed}
        before = None
        while kept != before:
            before = kept
            body, used = without_unneeded(
                self.body, [self.outputs[0], *(self.outputs[1 + i] for i in kept)]
            )
            kept = kept | {i for i, name in enumerate(self.inputs[1:]) if name in used}

        def those(names):
            return [name for i, name in enumerate(names) if i in kept]

        return self._replace(
            inputs=[self.inputs[0], *those(self.inputs[1:])],
            body=body,
            outputs=[self.outputs[0], *those(self.outputs[1:])],
            start=those(self.start),
            results=those(self.results),
        )


def _renamed(text, names):
    return NAME.sub(lambda found: names.get(found[0], found[0]), text)


def function(inputs, calls, outputs):
    """The lines of a Python function `block` that makes the calls."""
    body = [line for call in calls for line in call.lines()]
    body.append(f"return [{', '.join(outputs)}]")
    return [f"def block({', '.join(inputs)}):", *(f"    {line}" for line in body)]


def without_unneeded(calls, outputs):
    """The calls on which the outputs depend, in order, and the names that they and these need."""
    used, kept = set(outputs), []
    for call in reversed(calls):
        if not (call.in_place or used & set(call.results)):
            continue
        if isinstance(call, Loop):
            call = call.only(used)
        used |= call.names
        kept.append(call)
    return kept[::-1], used


def without_fixed(calls, varying=frozenset()):
    """The calls without those whose results are the same in every run, and these by name.

    Args:
        calls: List of calls and loops.
        varying: Names of tensors that others change in place. Defaults to none.
    """
    values, kept, varying = {}, [], _varying(calls, varying)
    for call in calls:
        if isinstance(call, Loop):
            body, inside = without_fixed(call.body, varying | call.changed)
            call = call._replace(body=body)
            values |= inside
        elif call.values is not None and varying.isdisjoint(call.results):
            values |= zip(call.results, call.values, strict=True)
            continue
        kept.append(call)
    return kept, values


def with_copies(calls, names):
    """The calls, in which loops begin with copies of the named tensors, as they may return them."""
    return [
        call._replace(
            body=with_copies(call.body, names),
            start=[f"{name}.clone()" if name in names else name for name in call.start],
        )
        if isinstance(call, Loop)
        else call
        for call in calls
    ]


def without_duplicates(calls, outputs, varying=frozenset(), found=None):
    """The calls without those that were made before, and the outputs under their new names.

    Args:
        calls: List of calls and loops.
        outputs: Names.
        varying: Names of tensors that others change in place. Defaults to none.
        found: Results by the text of the calls before. Defaults to none.
    """
    found, names, kept, varying = dict(found or {}), {}, [], _varying(calls, varying)
    for call in calls:
        call = call.renamed(names)
        if isinstance(call, Loop):
            inside = varying | call.changed
            body, ends = without_duplicates(call.body, call.outputs, inside, found)
            call = call._replace(body=body, outputs=ends)
        elif varying.isdisjoint(call.results) and not call.in_place:
            before = found.setdefault(call.text, call.results)
            if before is not call.results:
                names |= zip(call.results, before, strict=True)
                continue
        kept.append(call)
    return kept, [names.get(name, name) for name in outputs]


def _varying(calls, found):
    """The names of what is changed in place, of its sources, and of all that depends on it."""
    found = _changed(calls, found)
    for call in calls:
        if call.names & found:
            found |= set(call.results)
    return found


def _changed(calls, found):
    """The names of what is changed in place, and of all from which it was computed."""
    found = set(found)
    for call in reversed(calls):
        if call.in_place or found & set(call.results):
            found |= call.names
    return found


def without_repetition(calls):
    """The calls, with those of a loop that are the same at each step before the loop."""
    found = []
    for call in calls:
        if isinstance(call, Loop):
            once, body = _split(without_repetition(call.body), call)
            found += once
            call = call._replace(body=body)
        found.append(call)
    return found


def _split(body, loop):
    """The calls of a loop's body that do not depend on its inputs, and the others."""
    changed = _changed(body, loop.changed)
    varying, once, rest = {*loop.inputs, *changed}, [], []
    for call in body:
        results = set(call.results)
        if call.in_place or call.names & varying or results & changed:
            varying |= results
            rest.append(call)
        else:
            once.append(call)
    return once, rest
