"""Tokens per second of greedy and beam search, against keras_hub's samplers and JoeyNMT.

    python benchmarks/decoding.py --backend jax

An LSTM with Bahdanau attention and input feeding generates a fixed number of tokens from a given
memory. All contestants take turns in one process, on one core. Prints the median speed and its
ratio to the reference: JoeyNMT, which runs on torch whatever the backend, if it is installed (`pip
install joeynmt`), else keras_hub. Writes them to `benchmarks/results/decoding_BACKEND.json`.
"""

import argparse
import os

from timing import measure, one_core, write_results

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
parser.add_argument("--rounds", type=int, default=10, help="timed searches of each contestant")
parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
parser.add_argument("--beams", type=int, nargs="+", default=[1, 5])
parser.add_argument("--units", type=int, default=256)
parser.add_argument("--vocabulary", type=int, default=4000)
parser.add_argument("--source", type=int, default=30)
parser.add_argument("--steps", type=int, default=50)
options = parser.parse_args()
os.environ["KERAS_BACKEND"] = options.backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
one_core()

import keras  # noqa: E402
import keras_hub  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

from zoo.decoding import beam_search, compiled, sample  # noqa: E402
from zoo.layers import AttentiveDecoder  # noqa: E402

START, NEVER = 1, -1


def zoo_search(memory, beam):
    """Returns two functions that search with the same decoder: the zoo's and keras_hub's."""
    embedding = keras.layers.Embedding(options.vocabulary, options.units)
    decoder = AttentiveDecoder(
        "lstm", options.units, "bahdanau", order="recur_then_attend", input_feeding=True
    )
    head = keras.layers.Dense(options.vocabulary, use_bias=False)
    head(decoder(embedding(np.ones((1, 1), "int32")), memory[:1]))
    batch, layers = len(memory), [embedding, decoder, head]

    def step_of(constants):
        def step(tokens, state, index):
            output, state, weights = decoder.step(embedding(tokens), state, constants)
            return head(output), state, weights

        return step

    def ours(memory, mask):
        state, constants = decoder.start(memory, mask)
        setting = (step_of(constants), state, batch, START, NEVER, options.steps)
        if beam == 1:
            return sample(*setting).tokens
        return beam_search(*setting, beam).tokens

    sampler = keras_hub.samplers.GreedySampler()
    if beam > 1:
        sampler = keras_hub.samplers.BeamSampler(beam)

    def theirs(memory, mask):
        state, constants = decoder.start(memory, mask)
        step = step_of(constants)

        def next(prompt, state, index):
            logits, state, _ = step(ops.take(prompt, index - 1, axis=1), state, index)
            return logits, None, state

        prompt = ops.full((batch, options.steps + 1), START, "int32")
        return sampler(next, prompt, state, index=1)

    mask = np.ones(memory.shape[:2], bool)

    def run(program):
        return lambda: ops.convert_to_numpy(program(memory, mask))

    # keras_hub compiles nothing on torch, so there it runs eagerly, without the zoo's tracing.
    theirs = _eager(theirs) if options.backend == "torch" else compiled(theirs, layers)
    return run(compiled(ours, layers)), run(theirs)


def _eager(function):
    import torch

    @torch.inference_mode()
    def call(*arrays):
        return function(*(ops.convert_to_tensor(x) for x in arrays))

    return call


def joey_search(memory, beam):
    """Returns a function that searches with the same model in JoeyNMT; `None` if not installed."""
    try:
        from joeynmt.decoders import RecurrentDecoder
        from joeynmt.embeddings import Embeddings
        from joeynmt.model import Model
        from joeynmt.search import beam_search, greedy
        from joeynmt.vocabulary import Vocabulary
    except ImportError:
        return None
    from types import SimpleNamespace

    import torch

    names = {f"{name}_token": f"<{name}>" for name in ("unk", "pad", "bos", "eos")}
    ids = {"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3}
    special = SimpleNamespace(**names, **ids, sep_token=None, sep_id=None, lang_tags=[])
    words = Vocabulary([f"w{i}" for i in range(options.vocabulary - 4)], special)
    decoder = RecurrentDecoder(
        rnn_type="lstm",
        emb_size=options.units,
        hidden_size=options.units,
        encoder=SimpleNamespace(output_size=options.units),
        attention="bahdanau",
        vocab_size=options.vocabulary,
        init_hidden="bridge",
        input_feeding=True,
    )
    embedding = Embeddings(options.units, vocab_size=options.vocabulary)
    model = Model(None, decoder, embedding, embedding, words, words).eval()
    memory = torch.as_tensor(memory)
    mask = torch.ones(len(memory), 1, options.source, dtype=torch.bool)
    setting = {
        "src_mask": mask,
        "max_output_length": options.steps,
        "min_output_length": options.steps,
        "model": model,
        "encoder_output": memory,
        "encoder_hidden": torch.zeros(len(memory), options.units),
    }
    if beam == 1:
        return lambda: greedy(**setting)
    return lambda: beam_search(**setting, beam_size=beam, alpha=-1)


def main():
    rows = []
    print(f"{'search':10}{'batch':>6}  {'contestant':12}{'tokens/s':>10}{'ratio':>8}")
    for beam in options.beams:
        for batch in options.batches:
            shape = (batch, options.source, options.units)
            memory = np.random.default_rng(0).normal(size=shape).astype("float32")
            zoo, hub = zoo_search(memory, beam)
            contestants = {"JoeyNMT": joey_search(memory, beam), "keras_hub": hub, "zoo": zoo}
            contestants = {name: search for name, search in contestants.items() if search}
            row = {"beam": beam, "batch": batch}
            row |= measure(contestants, options.rounds, batch * options.steps, "tokens")
            for name, found in row["contestants"].items():
                case = f"{'greedy' if beam == 1 else f'beam {beam}':10}{batch:6}  {name:12}"
                print(f"{case}{found['per_second']:10.0f}{found['ratio']:8.2f}", flush=True)
            rows.append(row)
    packages = ("keras-hub", options.backend)
    if "JoeyNMT" in rows[0]["contestants"]:
        packages = (*packages, "joeynmt", "torch")
    write_results(f"decoding_{options.backend}", rows, packages)


if __name__ == "__main__":
    main()
