"""Tokens per second that a language model writes, against a plain loop and keras_hub's sampler.

    python benchmarks/language_model.py --backend jax

One prefix is continued by 200 tokens, all of them with the same model: by `CausalLM.infer` (draws,
one compiled loop), by `CausalLM.stream` (one compiled step, called from Python), by `generate` of
KerasHub with its top-k sampler (compiled on TensorFlow and JAX), and by a plain loop: Keras'
`call_with_state`, compiled as a function of one token, the next of which NumPy draws. All take
turns in one process, on one core; prints the median speed of each and its ratio to the plain loop,
and writes them to `benchmarks/results/language_model_BACKEND.json`. With `--eager` the plain loop
is not compiled, as the loop of a tutorial.
"""

import argparse
import os

from timing import measure, one_core, write_results

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
parser.add_argument("--rounds", type=int, default=5, help="timed continuations of each")
parser.add_argument("--decoder", default="lstm")
parser.add_argument("--attention", default="none")
parser.add_argument("--units", type=int, default=256)
parser.add_argument("--layers", type=int, default=2)
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--eager", action="store_true", help="do not compile the plain loop")
options = parser.parse_args()
os.environ["KERAS_BACKEND"] = options.backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
one_core()

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

from zoo.decoding import compiled  # noqa: E402
from zoo.models import CausalLM, CausalLMBackbone, CausalLMPreprocessor  # noqa: E402
from zoo.tokenizers import CharacterTokenizer  # noqa: E402

PREFIX = "to be or not to be"
CHARACTERS = sorted({chr(code) for code in range(32, 127)})


def main():
    keras.utils.set_random_seed(0)
    tokenizer = CharacterTokenizer(CHARACTERS)
    backbone = CausalLMBackbone(
        tokenizer.vocabulary_size(),
        options.decoder,
        embedding_dim=options.units if options.decoder == "transformer" else 64,
        units=options.units,
        num_layers=options.layers,
        attention=options.attention,
    )
    model = CausalLM(backbone, CausalLMPreprocessor(tokenizer))
    bias = np.zeros(tokenizer.vocabulary_size())
    bias[:4] = -100  # texts do not end
    model.output_bias.bias.assign(bias)
    model.compile(sampler="top_k")
    step = model.call_with_state
    if not options.eager:
        step = compiled(step, layers=[model])
    random = np.random.default_rng(0)
    (ids,) = model.preprocessor.encode([PREFIX])

    def plain():
        state, written = backbone.initial_state(1), [model.preprocessor.start_token_id, *ids]
        for token in written[:-1]:
            _, state = step(ops.convert_to_tensor([[token]], "int32"), state)
        for _ in range(options.steps):
            logits, state = step(ops.convert_to_tensor([[written[-1]]], "int32"), state)
            logits = ops.convert_to_numpy(logits)[0, 0].astype("float64")
            shares = np.exp(logits - logits.max())
            written.append(int(random.choice(len(shares), p=shares / shares.sum())))

    length = len(ids) + 1 + options.steps
    contestants = {
        "plain loop": plain,
        "infer": lambda: model.infer([PREFIX], max_length=options.steps),
        "stream": lambda: list(model.stream(PREFIX, max_length=options.steps)),
        "keras_hub generate": lambda: model.generate(PREFIX, max_length=length),
    }
    row = vars(options) | measure(contestants, options.rounds, options.steps, "tokens")
    for name, found in row["contestants"].items():
        print(f"{name:20} {found['per_second']:8,.0f} tokens/s  {found['ratio']:5.1f} ×")
    write_results(f"language_model_{options.backend}", [row], ("keras-hub", options.backend))


if __name__ == "__main__":
    main()
