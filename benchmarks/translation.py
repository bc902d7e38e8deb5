"""Speed of the translators against the same models in plain torch, in training and decoding.

    python benchmarks/translation.py --backend jax
    python benchmarks/translation.py --backend torch --models luong_general --rounds 5

Both have the same weights, and the difference of their logits is printed first. All take turns in
one process, on one core. Prints the median speed, and writes it to
`benchmarks/results/translation_BACKEND.json`: tokens per second of a training step (forward,
backward, clipping and Adam), and sentences per second of greedy decoding to a fixed length. Both
are given the masks of padding, though nothing is padded; the GRUs of plain torch ignore them. The
Transformer of plain torch has no cache, so each step runs over all earlier tokens again.
"""

import argparse
import os
from functools import partial

from timing import measure, one_core, write_results

MODELS = {
    "none": {},
    "bahdanau": {},
    "luong_general": {},
    "transformer": {"num_layers": 3},
}
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
parser.add_argument("--what", nargs="+", choices=["train", "decode"], default=["train", "decode"])
parser.add_argument("--rounds", type=int, default=10, help="timed turns of each contestant")
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--units", type=int, default=256)
parser.add_argument("--vocabulary", type=int, default=4000)
parser.add_argument("--length", type=int, default=24, help="tokens of sources and of targets")
options = parser.parse_args()
os.environ["KERAS_BACKEND"] = options.backend
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
one_core()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

from zoo.decoding import beam_search, compiled  # noqa: E402
from zoo.models import Seq2SeqLM, Seq2SeqLMBackbone  # noqa: E402
from zoo.training.losses import TokenCrossentropy  # noqa: E402
from zoo.training.optimizer import compile_model  # noqa: E402
from zoo.training.schema import TrainingConfig  # noqa: E402

HEADS, HIDDEN, SMOOTHING, CLIP = 4, 512, 0.1, 1.0
START, NEVER = 2, -1


def tensor(weight):
    return torch.tensor(keras.ops.convert_to_numpy(weight))


def linear(dense):
    """Returns a torch `Linear` with the weights of a Keras `Dense`."""
    layer = nn.Linear(*dense.kernel.shape, bias=dense.bias is not None)
    layer.weight.data = tensor(dense.kernel).T.contiguous()
    if dense.bias is not None:
        layer.bias.data = tensor(dense.bias)
    return layer


def gru_weights(cell):
    """Returns the weights of a Keras GRU in torch's layout, gates ordered reset, update, new."""

    def reordered(matrix):
        update, reset, new = tensor(matrix).chunk(3, dim=-1)
        return torch.cat([reset, update, new], dim=-1)

    bias = reordered(cell.bias)
    parts = reordered(cell.kernel).T, reordered(cell.recurrent_kernel).T, bias[0], bias[1]
    return [part.contiguous() for part in parts]


class PlainRecurrent(nn.Module):
    """An attentive encoder-decoder of GRUs in plain torch."""

    def __init__(self, backbone):
        super().__init__()
        units = backbone.units
        self.embedding = nn.Embedding.from_pretrained(
            tensor(backbone.token_embedding.embeddings), freeze=False
        )
        self.encoder = nn.GRU(units, units, batch_first=True, bidirectional=True)
        for suffix, layer in zip(("", "_reverse"), backbone.encoder.stack[0], strict=True):
            for name, weight in zip(
                ("weight_ih", "weight_hh", "bias_ih", "bias_hh"),
                gru_weights(layer.cell),
                strict=True,
            ):
                getattr(self.encoder, f"{name}_l0{suffix}").data = weight
        decoder = backbone.decoder
        self.kind = backbone.attention
        self.bridge, self.combine = linear(decoder.bridge), linear(decoder.combine)
        cell = decoder.stack[0].cell
        self.decoder = nn.GRU(cell.kernel.shape[0], units, batch_first=True)
        for name, weight in zip(
            ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"),
            gru_weights(cell),
            strict=True,
        ):
            getattr(self.decoder, name).data = weight
        if self.kind == "bahdanau":
            attention = decoder.attention
            self.query, self.key, self.score = (
                nn.Parameter(tensor(weight))
                for weight in (attention.query_kernel, attention.key_kernel, attention.scale)
            )
        elif self.kind == "luong_general":
            self.key = nn.Parameter(tensor(decoder.attention.kernel).T.contiguous())

    def encode(self, source):
        memory, last = self.encoder(self.embedding(source))
        last = torch.cat([last[0], last[1]], dim=-1)
        keys = None if self.kind == "none" else memory @ self.key
        return memory, keys, last, torch.tanh(self.bridge(last))

    def attend(self, query, memory, keys, mask):
        """`query` is `[batch, target, units]`, `mask` `[batch, source]`."""
        if self.kind == "bahdanau":
            hidden = torch.tanh((query @ self.query)[:, :, None] + keys[:, None])
            scores = (hidden @ self.score)[..., 0]
        else:
            scores = query @ keys.transpose(1, 2)
        scores = scores.masked_fill(~mask[:, None], float("-inf"))
        return torch.softmax(scores, dim=-1) @ memory

    def steps(self, embedded, state, memory, keys, last, mask):
        """Returns the attentional vectors of the given target steps, and the last state."""
        if self.kind == "bahdanau":
            outputs = []
            for step in embedded.split(1, dim=1):
                context = self.attend(state[:, None], memory, keys, mask)
                _, state = self.decoder(torch.cat([step, context], dim=-1), state[None])
                state = state[0]
                outputs.append(self.combine(torch.cat([context, state[:, None]], dim=-1)))
            return torch.tanh(torch.cat(outputs, dim=1)), state
        if self.kind == "none":
            context = last[:, None].expand(-1, embedded.shape[1], -1)
            embedded = torch.cat([embedded, context], dim=-1)
        hidden, state = self.decoder(embedded, state[None].contiguous())
        if self.kind != "none":
            context = self.attend(hidden, memory, keys, mask)
        return torch.tanh(self.combine(torch.cat([context, hidden], dim=-1))), state[0]

    def forward(self, source, previous, mask):
        memory, keys, last, state = self.encode(source)
        outputs, _ = self.steps(self.embedding(previous), state, memory, keys, last, mask)
        return outputs @ self.embedding.weight.T

    @torch.inference_mode()
    def greedy(self, source, mask, length):
        memory, keys, last, state = self.encode(source)
        tokens = torch.full((len(source), 1), START)
        generated = []
        for _ in range(length):
            outputs, state = self.steps(self.embedding(tokens), state, memory, keys, last, mask)
            tokens = (outputs @ self.embedding.weight.T).argmax(dim=-1)
            generated.append(tokens)
        return torch.cat(generated, dim=1)


class PlainTransformer(nn.Module):
    """A Transformer of `nn.TransformerEncoderLayer` and `nn.TransformerDecoderLayer`, pre-norm."""

    def __init__(self, backbone):
        super().__init__()
        units = backbone.units
        self.embedding = nn.Embedding.from_pretrained(
            tensor(backbone.token_embedding.embeddings), freeze=False
        )
        zeros = keras.ops.zeros((1, options.length * 2, units))
        self.register_buffer("positions", tensor(backbone.positions(zeros)))
        self.scale = units**0.5
        setting = {"dropout": 0.0, "batch_first": True, "norm_first": True}
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for theirs in backbone.encoder.layers:
            layer = nn.TransformerEncoderLayer(units, HEADS, HIDDEN, **setting)
            self._attention(layer.self_attn, theirs._self_attention_layer)
            self._norms(
                (layer.norm1, theirs._self_attention_layer_norm),
                (layer.norm2, theirs._feedforward_layer_norm),
            )
            layer.linear1 = linear(theirs._feedforward_intermediate_dense)
            layer.linear2 = linear(theirs._feedforward_output_dense)
            self.encoder.append(layer)
        for theirs in backbone.decoder.layers:
            layer = nn.TransformerDecoderLayer(units, HEADS, HIDDEN, **setting)
            self._attention(layer.self_attn, theirs.self_attention)
            self._attention(layer.multihead_attn, theirs.cross_attention)
            self._norms(*zip((layer.norm1, layer.norm2, layer.norm3), theirs.norms, strict=True))
            layer.linear1, layer.linear2 = linear(theirs.hidden), linear(theirs.output_dense)
            self.decoder.append(layer)
        self.norms = nn.ModuleList([nn.LayerNorm(units), nn.LayerNorm(units)])
        self._norms((self.norms[0], backbone.encoder.norm), (self.norms[1], backbone.decoder.norm))

    @staticmethod
    def _attention(layer, theirs):
        # An EinsumDense for each; the names differ by an underscore in KerasHub's layers.
        def dense(name):
            return getattr(theirs, f"{name}_dense", None) or getattr(theirs, f"_{name}_dense")

        units = layer.embed_dim
        parts = [dense(name) for name in ("query", "key", "value")]
        kernels = [tensor(part.kernel).reshape(units, units).T for part in parts]
        layer.in_proj_weight.data = torch.cat(kernels).contiguous()
        layer.in_proj_bias.data = torch.cat([tensor(part.bias).reshape(-1) for part in parts])
        output = dense("output")
        layer.out_proj.weight.data = tensor(output.kernel).reshape(units, units).T.contiguous()
        layer.out_proj.bias.data = tensor(output.bias)

    @staticmethod
    def _norms(*pairs):
        for layer, theirs in pairs:
            layer.eps = theirs.epsilon
            layer.weight.data, layer.bias.data = tensor(theirs.gamma), tensor(theirs.beta)

    def embed(self, tokens):
        return self.embedding(tokens) * self.scale + self.positions[:, : tokens.shape[1]]

    def encode(self, source, mask):
        states = self.embed(source)
        for layer in self.encoder:
            states = layer(states, src_key_padding_mask=~mask)
        return self.norms[0](states)

    def decode(self, previous, memory, mask):
        length = previous.shape[1]
        later = torch.ones((length, length), dtype=torch.bool).triu(1)
        states = self.embed(previous)
        for layer in self.decoder:
            states = layer(
                states,
                memory,
                tgt_mask=later,
                tgt_is_causal=True,
                memory_key_padding_mask=~mask,
            )
        return self.norms[1](states)

    def forward(self, source, previous, mask):
        memory = self.encode(source, mask)
        return self.decode(previous, memory, mask) @ self.embedding.weight.T

    @torch.inference_mode()
    def greedy(self, source, mask, length):
        memory, tokens = self.encode(source, mask), torch.full((len(source), 1), START)
        for _ in range(length):
            logits = self.decode(tokens, memory, mask)[:, -1:] @ self.embedding.weight.T
            tokens = torch.cat([tokens, logits.argmax(dim=-1)], dim=1)
        return tokens[:, 1:]


def zoo_contestant(name):
    """Returns the model, and functions that train a step and decode a batch."""
    backbone = Seq2SeqLMBackbone(
        options.vocabulary,
        attention=name,
        embedding_dim=options.units,
        units=options.units,
        num_heads=HEADS,
        intermediate_dim=HIDDEN,
        tie_embeddings="all",
        **MODELS[name],
    )
    model = Seq2SeqLM(backbone)
    settings = TrainingConfig(optimizer="adam", learning_rate=1e-4, clip_norm=CLIP)
    compile_model(model, settings, 1000, loss=TokenCrossentropy(SMOOTHING), weighted_metrics=[])

    def train(source, previous, following):
        masks = np.ones(source.shape, bool), np.ones(previous.shape, bool)
        x = inputs(source, previous, *masks)
        return model.train_on_batch(x, following, sample_weight=masks[1].astype("float32"))

    def search(source, mask):
        encoded = backbone.encode(source, mask)
        state, constants = backbone.init_decoding(encoded, options.length)

        def step(tokens, state, index):
            hidden, state, weights = backbone.decode_step(tokens, state, constants)
            return model.head(hidden), state, weights

        return beam_search(step, state, options.batch, START, NEVER, options.length, 1).tokens

    search = compiled(search, layers=[model])

    def decode(source):
        found = search(source, np.ones(source.shape, bool))
        return keras.ops.convert_to_numpy(found)[:, 0]

    return model, train, decode


def inputs(source, previous, source_mask, target_mask):
    return {
        "encoder_token_ids": source,
        "encoder_padding_mask": source_mask,
        "decoder_token_ids": previous,
        "decoder_padding_mask": target_mask,
    }


def plain_contestant(model):
    plain = (PlainTransformer if model.backbone.attention == "transformer" else PlainRecurrent)(
        model.backbone
    )
    optimizer = torch.optim.Adam(plain.parameters(), 1e-4)

    mask = torch.ones(options.batch, options.length, dtype=torch.bool)

    def train(source, previous, following):
        logits = plain(torch.tensor(source), torch.tensor(previous), mask)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), torch.tensor(following).flatten().long(),
            label_smoothing=SMOOTHING, ignore_index=0,
        )  # fmt: skip
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), CLIP)
        optimizer.step()
        return loss.item()

    def decode(source):
        return plain.greedy(torch.tensor(source), mask, options.length).numpy()

    return plain, train, decode


def main():
    shape, rows = (options.batch, options.length), []
    source, target = np.random.default_rng(0).integers(4, options.vocabulary, (2, *shape), "int32")
    previous = np.concatenate([np.full((options.batch, 1), START, "int32"), target[:, :-1]], axis=1)
    print(f"{'model':15}{'what':25}{'plain torch':>12}{'zoo':>10}{'ratio':>8}")
    for name in options.models:
        model, train, decode = zoo_contestant(name)
        plain, plain_train, plain_decode = plain_contestant(model)
        ones = np.ones(shape, bool)
        ours = keras.Model.predict_on_batch(model, inputs(source, previous, ones, ones))
        with torch.inference_mode():
            arrays = map(torch.tensor, (source, previous, ones))
            difference = float(np.abs(ours - plain(*arrays).numpy()).max())
        print(f"{name:15}{'largest logit difference':25}{difference:12.1e}")
        if "decode" in options.what:
            agree = float((decode(source) == plain_decode(source)).mean())
            print(f"{name:15}{'same tokens, greedy':25}{agree:12.1%}")
        cases = {
            "train": (train, plain_train, (source, previous, target), target.size, "tokens"),
            "decode": (decode, plain_decode, (source,), options.batch, "sentences"),
        }
        for what in options.what:
            zoo, torch_, arrays, count, unit = cases[what]
            contestants = {"plain torch": partial(torch_, *arrays), "zoo": partial(zoo, *arrays)}
            row = {"model": name, "what": what, "logit_difference": difference}
            row |= measure(contestants, options.rounds, count, unit)
            plain_speed, speed = (it["per_second"] for it in row["contestants"].values())
            ratio = row["contestants"]["zoo"]["ratio"]
            print(
                f"{name:15}{f'{what} {unit}/s':25}{plain_speed:12,.0f}{speed:10,.0f}{ratio:8.2f}",
                flush=True,
            )
            rows.append(row)
    write_results(f"translation_{options.backend}", rows, ("torch", options.backend))


if __name__ == "__main__":
    main()
