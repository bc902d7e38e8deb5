"""Options by which a language model continues a prefix, declared once. Imports no Keras."""

from dataclasses import dataclass

from zoo.checks import MAX_BEAM, MAX_LENGTH, check_integer, check_number

DEFAULT_LENGTH = 200  # tokens
MAX_TEMPERATURE = 100.0
MIN_TOP_P = 1e-6
MAX_TOP_K = 500_000
MAX_SEED = 2**63 - 1

# The smallest and the largest value of each option: of integers, and of other numbers.
_INTEGERS = {
    "max_length": (1, MAX_LENGTH),
    "top_k": (0, MAX_TOP_K),
    "beam": (1, MAX_BEAM),
    "seed": (0, MAX_SEED),
}
_NUMBERS = {"temperature": (0.0, MAX_TEMPERATURE), "top_p": (MIN_TOP_P, 1.0)}
SAMPLING_BOUNDS = {**_INTEGERS, **_NUMBERS}


@dataclass(frozen=True)
class SamplingOptions:
    """Choice of the tokens of a continuation by a language model.

    Args:
        max_length: int. Most tokens to write after the prefix. Defaults to `None`: 200, or what
            the positions of a Transformer leave.
        temperature: float. The logits are divided by it: below 1 probable tokens become more
            probable, and with 0 the most probable one is always chosen. Defaults to `1.0`.
        top_k: int. How many of the most probable tokens may be chosen. Defaults to `0`: all.
        top_p: float. The most probable tokens that together have this share of the probability
            may be chosen. Defaults to `1.0`: all.
        beam: int. Searches for the most probable continuation, with this many hypotheses at each
            step, in place of drawing one; `1` is greedy search. Defaults to `None`: draws.
        seed: int. The same seed gives the same texts. Defaults to `None`: others each time.

    Raises:
        ValueError: if an option is of another type or out of its range, or a beam is given
            together with options of drawing.
    """

    max_length: int | None = None
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    beam: int | None = None
    seed: int | None = None

    def __post_init__(self):
        for name, bounds in _INTEGERS.items():
            if getattr(self, name) is not None or name == "top_k":
                check_integer(name, getattr(self, name), *bounds)
        for name, limits in _NUMBERS.items():
            check_number(name, getattr(self, name), *limits)
        drawing = {"temperature": 1, "top_k": 0, "top_p": 1, "seed": None}
        given = {name: getattr(self, name) for name in drawing}
        if self.beam is not None and given != drawing:
            received = ", ".join(f"{name}={value!r}" for name, value in given.items())
            raise ValueError(
                "A beam search draws nothing: leave out temperature, top_k, top_p and seed, or "
                f"leave out beam. Received: beam={self.beam}, {received}"
            )

    @property
    def draws(self) -> bool:
        """True if tokens are drawn, and not searched for."""
        return self.beam is None and self.temperature > 0
