"""Each snippet of the page for people from other libraries gives the numbers of its formula."""

import itertools
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo

pytestmark = pytest.mark.once  # the contracts compare each layer on every backend

PAGE = Path(zoo.__file__).parents[1] / "docs" / "coming_from.md"
INTRODUCTION, *SECTIONS = re.split(r"(?m)^## ", PAGE.read_text("utf-8"))
SECTIONS = dict(section.split("\n", 1) for section in SECTIONS)
REFERENCES = {}


def reference(heading):
    return lambda function: REFERENCES.setdefault(heading, function)


def run(*texts):
    """The names that the snippets of the texts define."""
    names = {}
    for snippet in re.findall(r"```python\n(.*?)```", "\n".join(texts), re.DOTALL):
        exec(compile(snippet, str(PAGE), "exec"), names)
    return names


def test_every_row_of_the_table_has_a_section_and_a_reference():
    anchors = re.findall(r"^\| \[.+?\]\(#(.+?)\)", INTRODUCTION, re.MULTILINE)
    slugs = [re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in SECTIONS]
    assert anchors == slugs and len(anchors) >= 12
    assert set(REFERENCES) == set(SECTIONS)


@pytest.mark.parametrize("heading", SECTIONS)
def test_snippet_gives_the_numbers_of_the_formula(heading, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    keras.utils.set_random_seed(0)
    # A section may use the names of the sections above it.
    above = list(SECTIONS)[: list(SECTIONS).index(heading)]
    imports = [line for name in above for line in SECTIONS[name].splitlines()]
    imports = "\n".join(line for line in imports if line.startswith("from zoo.layers"))
    names = run(INTRODUCTION, f"```python\n{imports}\n```", SECTIONS[heading])
    for found, expected in REFERENCES[heading](names):
        np.testing.assert_allclose(array(found), expected, atol=2e-5)


# The formulas


def array(values):
    return np.asarray(keras.ops.convert_to_numpy(values))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(scores, mask):
    exponentials = np.exp(scores - scores.max(-1, keepdims=True)) * mask
    return exponentials / exponentials.sum(-1, keepdims=True)


def additive(layer, query, memory):
    """vᵀ tanh(W q + U k), for `[batch, target, units]` and `[batch, source, units]`."""
    w, u, v = (array(it) for it in (layer.query_kernel, layer.key_kernel, layer.scale))
    return (np.tanh((query @ w)[:, :, None] + (memory @ u)[:, None]) @ v)[..., 0]


def general(layer, query, memory):
    """qᵀ W k."""
    return query @ array(layer.kernel) @ memory.swapaxes(1, 2)


def lstm(cell, x, states):
    h, c = states
    gates = x @ array(cell.kernel) + h @ array(cell.recurrent_kernel) + array(cell.bias)
    i, f, g, o = np.split(gates, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, [h, c]


def gru(cell, x, states):
    (h,) = states
    bias = array(cell.bias)
    xz, xr, xh = np.split(x @ array(cell.kernel) + bias[0], 3, axis=-1)
    hz, hr, hh = np.split(h @ array(cell.recurrent_kernel) + bias[1], 3, axis=-1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    h = z * h + (1 - z) * np.tanh(xh + r * hh)
    return h, [h]


def recur(cell, step, x, mask, states):
    """The outputs and last states of a layer; states stay the same at padding."""
    outputs = []
    for t in range(x.shape[1]):
        valid = mask[:, t, None]
        h, new = step(cell, x[:, t], states)
        states = [np.where(valid, one, other) for one, other in zip(new, states, strict=True)]
        outputs.append(h * valid)
    return np.stack(outputs, axis=1), states


def encode(encoder, step, x, mask):
    """The outputs and the last states of each layer of a `RecurrentEncoder`."""
    lengths, all_states = mask.sum(1), []
    for directions in encoder.stack:
        found = []
        for backward, layer in enumerate(directions):
            zeros = [np.zeros((len(x), encoder.units)) for _ in layer.state_size]
            order = [[*range(n)[::-1], *range(n, x.shape[1])] for n in lengths]
            rows = np.arange(len(x))[:, None]
            outputs, states = recur(
                layer.cell, step, x[rows, order] if backward else x, mask, zeros
            )
            found.append((outputs[rows, order] if backward else outputs, states))
        x = np.concatenate([outputs for outputs, _ in found], -1)
        parts = zip(*(states for _, states in found), strict=True)
        all_states.append([np.concatenate(part, -1) for part in parts])
    return x, all_states


def decode(decoder, step, score, x, memory, mask, states):
    """The attentional vectors and the weights of an `AttentiveDecoder`, one step at a time."""
    fed, outputs, alignments = np.zeros((len(x), decoder.units)), [], []
    states = [list(layer) for layer in states]

    def attend(query):
        weights = softmax(score(decoder.attention, query[:, None], memory), mask[:, None])
        return weights[:, 0], (weights @ memory)[:, 0]

    for t in range(x.shape[1]):
        attends_first = decoder.order == "attend_then_recur"
        parts = [x[:, t]]
        if attends_first:
            weights, context = attend(states[-1][0])
            parts.append(context)
        if decoder.input_feeding:
            parts.append(fed)
        h = np.concatenate(parts, -1)
        for i, layer in enumerate(decoder.stack):
            h, states[i] = step(layer.cell, h, states[i])
        if not attends_first:
            weights, context = attend(h)
        fed = np.tanh(np.concatenate([context, h], -1) @ array(decoder.combine.kernel))
        outputs.append(fed)
        alignments.append(weights)
    return np.stack(outputs, 1), np.stack(alignments, 1)


def zero_states(decoder, rows):
    return [[np.zeros((rows, decoder.units)) for _ in it.state_size] for it in decoder.stack]


def taggings(potentials, start, transitions, end):
    """Every sequence of tags of one sentence, with its score."""
    steps, count = potentials.shape
    for tags in itertools.product(range(count), repeat=steps):
        inner = sum(transitions[a, b] for a, b in itertools.pairwise(tags))
        yield tags, start[tags[0]] + potentials[range(steps), tags].sum() + inner + end[tags[-1]]


def factors(crf):
    return [array(it) for it in (crf.start_transitions, crf.transitions, crf.end_transitions)]


def best_tags(potentials, start, transitions, end):
    return max(taggings(potentials, start, transitions, end), key=lambda it: it[1])[0]


def log_likelihood(tags, potentials, *factors):
    scores = dict(taggings(potentials, *factors))
    return scores[tuple(tags)] - np.log(np.sum(np.exp(list(scores.values()))))


# The rows


@reference("`tfa.seq2seq.BahdanauAttention`")
def bahdanau(names):
    return attended(names, additive)


@reference("`tfa.seq2seq.LuongAttention`")
def luong(names):
    return attended(names, general)


def attended(names, score):
    query, memory = array(names["query"]), array(names["memory"])
    weights = softmax(score(names["attention"], query, memory), names["mask"][:, None])
    return [(names["weights"], weights), (names["context"], weights @ memory)]


@reference("`tfa.seq2seq.AttentionWrapper`")
def attention_wrapper(names):
    decoder, (inputs, memory) = names["decoder"], (array(names[it]) for it in ("inputs", "memory"))
    states = zero_states(decoder, len(inputs))
    outputs, weights = decode(decoder, lstm, general, inputs, memory, names["mask"], states)
    return [
        (names["outputs"], outputs),
        (names["alignments"], weights),
        (names["first_output"], outputs[:, 0]),
        (names["alignment"], weights[:, 0]),
    ]


@reference("`tfa.seq2seq.BeamSearchDecoder`")
def beam_search(names):
    logits = array(names["logits"])
    next_log = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    beam = [((), 0.0)]
    for _ in range(4):
        candidates = []
        for tokens, score in beam:
            if tokens[-1:] == (2,):
                candidates.append((tokens, score))
                continue
            last = tokens[-1] if tokens else 1
            candidates += [((*tokens, n), score + next_log[last, n]) for n in range(6)]
        beam = sorted(candidates, key=lambda it: -it[1])[:5]
    tokens = [[*tokens, *[0] * (4 - len(tokens))] for tokens, _ in beam[:3]]
    found = names["found"]
    return [(found.tokens, [tokens] * 2), (found.scores, [[s for _, s in beam[:3]]] * 2)]


@reference("`tfa.text.crf_log_likelihood`")
def crf_log_likelihood(names):
    potentials, lengths = array(names["potentials"]), names["valid"].sum(1)
    parts = factors(names["crf"])
    rows = [row[:length] for row, length in zip(potentials, lengths, strict=True)]
    tags = [row[:length] for row, length in zip(names["tags"], lengths, strict=True)]
    likelihoods = [log_likelihood(*pair, *parts) for pair in zip(tags, rows, strict=True)]
    best = [[*best_tags(row, *parts), *[0] * (4 - len(row))] for row in rows]
    return [(names["log_likelihood"], likelihoods), (names["best"], best)]


@reference("`tfa.layers.CRF`")
def crf_layer(names):
    x, y, parts = names["x"], names["y"], factors(names["crf"])
    potentials = names["model"].predict(x, verbose=0)
    rows = [row[ids > 0] for row, ids in zip(potentials, x, strict=True)]
    tags = [row[ids > 0] for row, ids in zip(y, x, strict=True)]
    loss = -np.mean([log_likelihood(*pair, *parts) for pair in zip(tags, rows, strict=True)])
    best = [[*best_tags(row, *parts), *[0] * (4 - len(row))] for row in rows]
    return [(names["model"].evaluate(x, y, verbose=0), loss), (names["predicted"], best)]


@reference("`keras_contrib.layers.CRF`")
def crf_marginals(names):
    expected = np.zeros((2, 4, 3))
    for row, potentials in zip(expected, array(names["potentials"]), strict=True):
        for tags, score in taggings(potentials, *factors(names["crf"])):
            row[range(4), tags] += np.exp(score)
    return [(names["marginals"], expected / expected.sum(-1, keepdims=True))]


@reference("`nmt_with_attention`")
def nmt_with_attention(names):
    encoded, states = encode(names["encoder"], gru, array(names["source"]), names["mask"])
    inputs, mask = array(names["inputs"]), names["mask"]
    outputs, weights = decode(names["decoder"], gru, additive, inputs, encoded, mask, states)
    return [(names["outputs"], outputs), (names["alignments"], weights)]


@reference("`lstm_seq2seq.py`")
def lstm_seq2seq(names):
    _, (states,) = encode(names["encoder"], lstm, array(names["source"]), names["mask"])
    inputs, ((layer,),) = array(names["inputs"]), names["decoder"].stack
    outputs, _ = recur(layer.cell, lstm, inputs, np.ones(inputs.shape[:2], bool), states)
    return [(names["outputs"], outputs)]


@reference("OpenNMT-tf's `NMTSmallV1`")
def nmt_small(names):
    encoded, states = encode(names["encoder"], lstm, array(names["source"]), names["mask"])
    inputs, mask = array(names["inputs"]), names["mask"]
    outputs, _ = decode(names["decoder"], lstm, general, inputs, encoded, mask, states)
    return [(names["outputs"], outputs)]


@reference("JoeyNMT's `rnn_small.yaml`")
def rnn_small(names):
    encoded, states = encode(names["encoder"], gru, array(names["source"]), names["mask"])
    states = [[states[-1][0][:, :8]]] * 2
    inputs, mask = array(names["inputs"]), names["mask"]
    outputs, _ = decode(names["decoder"], gru, additive, inputs, encoded, mask, states)
    return [(names["outputs"], outputs)]


@reference("`torch.nn.LSTM` and `torch.nn.GRU`")
def torch_lstm(names):
    import torch

    rnn, source = torch.nn.utils.rnn, torch.tensor(array(names["source"]))
    with torch.inference_mode():
        packed = rnn.pack_padded_sequence(source, names["mask"].sum(1), batch_first=True)
        outputs, (h, c) = names["lstm"](packed)
        outputs, _ = rnn.pad_packed_sequence(outputs, batch_first=True)
    h, c = (torch.cat([state[2], state[3]], -1) for state in (h, c))  # of the second layer
    return [(names["encoded"], outputs), (names["states"][1][0], h), (names["states"][1][1], c)]


@reference("Keras 2's `.h5`")
def keras_2(names):
    encoded, states = encode(names["encoder"], gru, array(names["source"]), names["mask"])
    x, mask = names["source"], names["mask"]
    for layer in names["tagger"].layers:
        x = layer(x, mask=mask)
    theirs = array(x) * mask[..., None]
    return [
        (names["encoded"], encoded),
        (names["encoded"], theirs),
        (names["states"][1][0], states[1][0]),
    ]


@reference("Flair's `SequenceTagger`")
def sequence_tagger(names):
    tagger = names["tagger"]
    potentials = tagger.predict(names["sentences"], verbose=0)["tags"][:, :3]
    start, transitions, end = factors(tagger.crf)
    start[2] = transitions[0, 2] = -1e9  # I-PER neither starts a sentence nor follows O
    found, expected = [], []
    for answer, row in zip(names["answers"], potentials, strict=True):
        found.append([tagger.tags.index(tag) for tag in answer.tags])
        expected.append(best_tags(row, start, transitions, end))
    return [(np.array(found), expected)]
