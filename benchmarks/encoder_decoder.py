"""A small character-level encoder-decoder for the benchmarks in this folder.

Keras reads its backend when it is imported: set `KERAS_BACKEND` before importing this.
"""

import keras
import numpy as np

from zoo.decoding import compiled, sample
from zoo.layers import AttentiveDecoder, RecurrentEncoder

PADDING, START, END = 0, 1, 2


class Characters:
    """Maps characters to ids; the first three are padding, start and end."""

    def __init__(self, texts):
        self.characters = sorted(set("".join(texts)))
        self.ids = {character: i + 3 for i, character in enumerate(self.characters)}

    def __len__(self):
        return len(self.characters) + 3

    def encode(self, texts, length):
        """Converts texts to ids `[texts, length]`, ended and padded on the right."""
        ids = np.zeros((len(texts), length), "int32")
        for row, text in zip(ids, texts, strict=True):
            row[: len(text) + 1] = [*(self.ids[character] for character in text), END]
        return ids

    def decode(self, ids):
        """Converts ids to a text, up to the end."""
        ids = ids.tolist()
        ids = ids[: ids.index(END)] if END in ids else ids
        return "".join(self.characters[i - 3] if i > END else "?" for i in ids)


class EncoderDecoder:
    """A bidirectional GRU encoder and an attentive GRU decoder over characters.

    Args:
        characters: `Characters` of both sides.
        attention: Argument of `AttentiveDecoder`.
        units: int. Units of the decoder, and of both directions of the encoder together.
        source_length, target_length: int. Longest texts in characters, the end included.
    """

    def __init__(self, characters, attention, units, source_length, target_length):
        self.characters = characters
        self.lengths = source_length, target_length
        self.embedding = keras.layers.Embedding(len(characters), 32)
        self.encoder = RecurrentEncoder("gru", units // 2, bidirectional=True, return_state=True)
        self.decoder = AttentiveDecoder("gru", units, attention, initial_state="bridge")
        self.head = keras.layers.Dense(len(characters))
        source = keras.Input((source_length,), dtype="int32")
        previous = keras.Input((target_length,), dtype="int32")
        outputs = self.decoder(self.embedding(previous), **self._encode(source))
        self.model = keras.Model([source, previous], self.head(outputs))
        self._search = compiled(self._greedy, layers=[self.model])

    def train(self, sources, targets, epochs, batch_size=64, learning_rate=0.004):
        """Trains on pairs of texts; prints a line for each epoch."""
        source = self.characters.encode(sources, self.lengths[0])
        target = self.characters.encode(targets, self.lengths[1])
        previous = np.pad(target, ((0, 0), (1, 0)), constant_values=START)[:, :-1]
        weights = (target != PADDING).astype("float32")
        steps = epochs * (len(sources) // batch_size)
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps, alpha=0.05)
        self.model.compile(
            keras.optimizers.Adam(rate, clipnorm=1.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=keras.config.backend() != "torch",
        )
        rows = len(sources) // batch_size * batch_size  # drops the last, smaller batch
        source, previous, target, weights = (x[:rows] for x in (source, previous, target, weights))
        self.model.fit(
            [source, previous], target, batch_size, epochs, sample_weight=weights, verbose=2
        )

    def decode(self, sources):
        """Decodes greedily: returns one target text for each source."""
        found = self._search(self.characters.encode(sources, self.lengths[0]))
        return [
            self.characters.decode(row) for row in keras.ops.convert_to_numpy(found.tokens)[:, 0]
        ]

    def attention(self, source):
        """Returns one target text, and the weights `[target, source]`, both with the end."""
        found = self._search(self.characters.encode([source], self.lengths[0]))
        target = self.characters.decode(keras.ops.convert_to_numpy(found.tokens)[0, 0])
        weights = keras.ops.convert_to_numpy(found.attention)[0, 0]
        return target, weights[: len(target) + 1, : len(source) + 1]

    def _encode(self, source):
        """Returns the decoder's arguments for a source `[batch, source_length]`."""
        mask = keras.ops.not_equal(source, PADDING)
        memory, states = self.encoder(self.embedding(source), padding_mask=mask)
        return {"memory": memory, "memory_mask": mask, "encoder_state": states[-1][0]}

    def _greedy(self, source):
        encoded = self._encode(source)
        state, constants = self.decoder.start(**encoded)

        def step(tokens, state, index):
            output, state, weights = self.decoder.step(self.embedding(tokens), state, constants)
            return self.head(output), state, weights

        return sample(
            step, state, source.shape[0], START, END, self.lengths[1],
            return_attention=True, source_mask=encoded["memory_mask"],
        )  # fmt: skip
