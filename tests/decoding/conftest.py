"""A small model whose probabilities can be computed by hand."""

import itertools
import math

import numpy as np
import pytest
from keras import ops

START, END, VOCABULARY, SOURCE = 0, 1, 5, 3


class SecondOrderModel:
    """A language model of order two: the next token depends on the last two and on the source.

    The state is the token before the last; the attention weights depend on the last token.
    """

    def __init__(self, batch=2, seed=0, scale=2.0):
        random = np.random.default_rng(seed)
        shape = (batch, VOCABULARY, VOCABULARY, VOCABULARY)
        self.batch = batch
        self.logits = random.normal(scale=scale, size=shape).astype("float32")
        attention = random.uniform(size=(VOCABULARY, SOURCE)).astype("float32")
        self.attention = attention / attention.sum(-1, keepdims=True)
        exponentials = np.exp(self.logits.astype("float64"))
        self.log_probabilities = np.log(exponentials / exponentials.sum(-1, keepdims=True))

    def state(self):
        return {"before": ops.zeros((self.batch,), "int32")}

    def step(self, tokens, state, index):
        beam = tokens.shape[0] // self.batch
        source = ops.repeat(ops.arange(self.batch, dtype="int32"), beam)
        place = (source * VOCABULARY + state["before"]) * VOCABULARY + tokens
        logits = ops.take(ops.reshape(self.logits, (-1, VOCABULARY)), place, axis=0)
        return logits, {"before": tokens}, ops.take(self.attention, tokens, axis=0)

    def evaluate(self, source, tokens):
        """Log-probabilities of tokens, and their attention weights `[len(tokens), source]`."""
        steps = list(zip((START, START, *tokens), (START, *tokens), tokens, strict=False))
        gains = [self.log_probabilities[source][step] for step in steps]
        return np.array(gains), np.array([self.attention[step[1]] for step in steps])

    def hypotheses(self, max_length):
        """All hypotheses: those that end, and those that are cut off."""
        others = [token for token in range(VOCABULARY) if token != END]
        for length in range(max_length):
            for body in itertools.product(others, repeat=length):
                yield (*body, END)
        yield from itertools.product(others, repeat=max_length)


def wu_score(gains, attention, alpha, beta):
    """The score of Wu et al. 2016, equation 14."""
    penalty = ((5 + len(gains)) / 6) ** alpha
    coverage = sum(math.log(min(sum(column), 1.0)) for column in attention.T)
    return sum(gains) / penalty + beta * coverage


@pytest.fixture
def model():
    return SecondOrderModel()
