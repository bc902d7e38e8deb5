"""Tokens per second of a training step of a language model, against the same model in plain torch.

    python benchmarks/language_model_step.py --backend jax

Both read windows of as many lanes and carry their state to the next one: `CausalLM` as a recipe
trains it, and `torch.nn.Embedding`, `torch.nn.LSTM` and an output that shares the embedding, with
the loss, the clipped gradient and the Adam of torch. Neither drops anything. They take turns in one
process, on one core. Prints the median speed of each and writes it to
`benchmarks/results/language_model_step_BACKEND.json`.
"""

import argparse
import os

from timing import measure, one_core, write_results

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
parser.add_argument("--rounds", type=int, default=15, help="timed steps of each")
parser.add_argument("--vocabulary", type=int, default=8000, help="token ids")
parser.add_argument("--units", type=int, default=256)
parser.add_argument("--layers", type=int, default=1)
parser.add_argument("--lanes", type=int, default=32)
parser.add_argument("--steps", type=int, default=64, help="tokens of a window")
options = parser.parse_args()
os.environ["KERAS_BACKEND"] = options.backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
one_core()

import numpy as np  # noqa: E402
import torch  # noqa: E402

from recipes.language_modeling.carried_state import CarriedState  # noqa: E402
from zoo.models import CausalLM, CausalLMBackbone  # noqa: E402
from zoo.training.losses import TokenCrossentropy  # noqa: E402
from zoo.training.optimizer import compile_model  # noqa: E402
from zoo.training.schema import TrainingConfig  # noqa: E402

SHAPE = (options.lanes, options.steps)
RANDOM = np.random.default_rng(0)
TOKENS = RANDOM.integers(0, options.vocabulary, SHAPE).astype("int32")
TARGETS = RANDOM.integers(0, options.vocabulary, SHAPE).astype("int32")


def zoo_step():
    """A function that takes one step as a recipe does."""
    backbone = CausalLMBackbone(
        options.vocabulary,
        embedding_dim=options.units,
        units=options.units,
        num_layers=options.layers,
    )
    model = CarriedState(CausalLM(backbone), options.lanes)
    compile_model(model, TrainingConfig(optimizer="adam"), 1000, loss=TokenCrossentropy())
    inputs = {"token_ids": TOKENS, "is_start": np.zeros(options.lanes, "float32")}
    weights = np.ones(SHAPE, "float32")
    return lambda: model.train_on_batch(inputs, TARGETS, weights)


class PlainModel(torch.nn.Module):
    """An LSTM with tied embeddings, as a tutorial writes it."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(options.vocabulary, options.units)
        self.recurrent = torch.nn.LSTM(
            options.units, options.units, options.layers, batch_first=True
        )
        self.output = torch.nn.Linear(options.units, options.vocabulary)
        self.output.weight = self.embedding.weight
        torch.nn.init.normal_(self.embedding.weight, std=options.units**-0.5)

    def forward(self, tokens, state):
        hidden, state = self.recurrent(self.embedding(tokens), state)
        return self.output(hidden), tuple(one.detach() for one in state)


def torch_step():
    """A function that takes one step in plain torch."""
    model = PlainModel()
    optimizer = torch.optim.Adam(model.parameters(), 0.001)
    tokens, targets = (torch.from_numpy(one).long() for one in (TOKENS, TARGETS))
    state = None

    def step():
        nonlocal state
        logits, state = model(tokens, state)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def main():
    contestants = {"plain torch": torch_step(), "zoo": zoo_step()}
    row = measure(contestants, options.rounds, TOKENS.size, "tokens")
    for name, found in row["contestants"].items():
        print(f"{name:12} {found['per_second']:9,.0f} tokens/s  {found['ratio']:5.2f} ×")
    write_results(f"language_model_step_{options.backend}", [row], ("torch", options.backend))


if __name__ == "__main__":
    main()
