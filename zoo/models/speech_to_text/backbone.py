"""Backbone from recordings to hidden states: a pyramidal encoder, and a decoder if asked for."""

import keras

from zoo.checks import check_integer
from zoo.choices import CELLS, SPEECH_ATTENTIONS, SPEECH_HEADS, check_choice
from zoo.conflicts import check, speech_attention_conflicts, speech_conflicts
from zoo.layers import (
    FrameStacking,
    LogMel,
    RecurrentEncoder,
    SpecAugment,
    SpectrogramConvolution,
)
from zoo.models.generation import GenerationBackbone


@keras.saving.register_keras_serializable("zoo")
class SpeechToTextBackbone(GenerationBackbone):
    """A log-mel spectrogram, a pyramidal recurrent encoder, and an attentive decoder.

    Inputs: `audio`, floats `[batch, samples]`, with `audio_length`, integers `[batch]`, the
    samples of each row without padding; and, of a model with a decoder, `decoder_token_ids`,
    integers `[batch, target]`, with `decoder_padding_mask`, booleans of the same shape. Outputs,
    by name: `encoder_sequence_output`, the encoder's hidden states `[batch, steps, units]` (twice
    the units if bidirectional), with `encoder_padding_mask`, booleans `[batch, steps]`; and of a
    decoder `decoder_sequence_output`, its hidden states `[batch, target, decoder_units]`.

    Args:
        vocabulary_size: int. Number of token ids.
        sampling_rate: int. Samples per second. Defaults to `8000`.
        frame_length: int. Samples of a frame of the spectrogram. Defaults to `200`.
        hop_length: int. Samples from one frame to the next. Defaults to `80`.
        num_mels: int. Bands of the spectrogram. Defaults to `40`.
        normalization: `"global"`, the spectrogram is normalized by statistics of the training
            data, see `SpeechToText.adapt`; or `"recording"`, by those of each recording. Defaults
            to `"global"`.
        head: `"ctc"`, no decoder; `"attention"`, a decoder; or `"joint"`, both. Defaults to
            `"ctc"`.
        cell: `"simple_rnn"`, `"lstm"` or `"gru"`, of encoder and decoder. Defaults to `"lstm"`.
        units: int. Size of the hidden states of the encoder, in each direction. Defaults to
            `128`.
        num_layers: int. Layers of the encoder. Defaults to `3`.
        bidirectional: bool. Whether the encoder is bidirectional. Defaults to `True`.
        pooling: For each layer the number of steps that are concatenated to one before it.
            Defaults to `(2, 2, 1)`: the encoder has a fourth of the frames.
        attention: The attention of the decoder over the states of the encoder, see
            `zoo.layers.AttentiveDecoder`. Defaults to `"bahdanau"`.
        embedding_dim: int. Size of the token embeddings of the decoder. Defaults to `64`.
        decoder_units: int. Size of the decoder's hidden states. Defaults to `None`: `units`.
        decoder_layers: int. Layers of the decoder. Defaults to `1`.
        input_feeding: bool. Whether the previous attentional vector is an input of the decoder.
            Defaults to `False`.
        num_heads: int. Heads of `"multi_head"`. Defaults to `4`.
        dropout: float. Dropout rate between layers and of the encoder's output, of the same units
            at each step; and of the decoder's embeddings and output. Defaults to `0.0`.
        frequency_mask: int. Largest band of the spectrogram that is masked in training, see
            `zoo.layers.SpecAugment`. Defaults to `0`.
        time_mask: float. Largest share of its frames that are masked. Defaults to `0.0`.
        num_masks: int. Number of masks of each kind. Defaults to `2`.
        convolution: The number of filters of each convolution over the spectrogram, in front of the
            encoder: see `zoo.layers.SpectrogramConvolution`. Defaults to `()`: none.
        dtype: A dtype or dtype policy; the spectrogram is float32 in any case. Defaults to the
            global policy.

    Raises:
        ValueError: if a name is unknown or sizes are incompatible.

    References:
        - CTC: Graves et al. 2006. Pyramidal encoder and attention: Chan et al. 2016, "Listen,
          Attend and Spell". Both heads: Watanabe et al. 2017, "Hybrid CTC/attention architecture
          for end-to-end speech recognition".
    """

    def __init__(
        self,
        vocabulary_size,
        sampling_rate=8000,
        frame_length=200,
        hop_length=80,
        num_mels=40,
        normalization="global",
        head="ctc",
        cell="lstm",
        units=128,
        num_layers=3,
        bidirectional=True,
        pooling=(2, 2, 1),
        attention="bahdanau",
        embedding_dim=64,
        decoder_units=None,
        decoder_layers=1,
        input_feeding=False,
        num_heads=4,
        dropout=0.0,
        frequency_mask=0,
        time_mask=0.0,
        num_masks=2,
        convolution=(),
        dtype=None,
        **kwargs,
    ):
        check_choice("head", head, SPEECH_HEADS)
        check_choice("cell", cell, CELLS)
        check_integer("num_layers", num_layers, 1)
        check(speech_conflicts(num_layers, pooling))
        has_decoder = head != "ctc"
        if has_decoder:
            check_choice("attention", attention, SPEECH_ATTENTIONS)
            check(
                speech_attention_conflicts(attention, units, bidirectional, decoder_units or units)
            )

        # === Layers ===
        self.log_mel = LogMel(
            sampling_rate, frame_length, hop_length, num_mels, normalization, name="log_mel"
        )
        self.augment = SpecAugment(
            frequency_mask, time_mask, num_masks, dtype=dtype, name="augment"
        )
        self.convolve = None
        if convolution:
            self.convolve = SpectrogramConvolution(convolution, dtype=dtype, name="convolution")
            self.convolved_dropout = keras.layers.SpatialDropout1D(
                dropout, dtype=dtype, name="convolved_dropout"
            )
        self.stacking = [
            FrameStacking(factor, dtype=dtype, name=f"stacking_{i}")
            for i, factor in enumerate(pooling)
        ]
        self.encoder = [
            RecurrentEncoder(
                cell, units, 1, bidirectional, return_state=True, dtype=dtype, name=f"encoder_{i}"
            )
            for i in range(num_layers)
        ]
        self.between = [
            keras.layers.SpatialDropout1D(dropout, dtype=dtype, name=f"dropout_{i}")
            for i in range(num_layers)
        ]
        if has_decoder:
            self.build_decoder(
                vocabulary_size,
                attention,
                cell,
                embedding_dim,
                decoder_units or units,
                decoder_layers,
                input_feeding,
                num_heads,
                intermediate_dim=0,
                dropout=dropout,
                tie_embeddings="none",
                dtype=dtype,
            )

        # === Functional graph ===
        inputs = {
            "audio": keras.Input((None,), dtype="float32", name="audio"),
            "audio_length": keras.Input((), dtype="int32", name="audio_length"),
        }
        features, mask = self.log_mel(inputs["audio"], inputs["audio_length"])
        encoded = self.encode_features(features, mask)
        outputs = {
            "encoder_sequence_output": encoded["memory"],
            "encoder_padding_mask": encoded["memory_mask"],
        }
        weights = None
        if has_decoder:
            inputs |= {
                "decoder_token_ids": keras.Input((None,), dtype="int32", name="decoder_token_ids"),
                "decoder_padding_mask": keras.Input(
                    (None,), dtype="bool", name="decoder_padding_mask"
                ),
            }
            states, weights = self.decode(inputs["decoder_token_ids"], **encoded)
            outputs["decoder_sequence_output"] = states
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)
        self.attention_output = weights  # [batch, target, steps]

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.sampling_rate = sampling_rate
        self.frame_length = frame_length
        self.hop_length = hop_length
        self.num_mels = num_mels
        self.normalization = normalization
        self.head = head
        self.cell = cell
        self.units = units
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.pooling = tuple(pooling)
        self.attention = attention if has_decoder else "none"
        self.embedding_dim = embedding_dim
        self.decoder_units = decoder_units
        self.decoder_layers = decoder_layers
        self.input_feeding = input_feeding
        self.num_heads = num_heads
        self.dropout = dropout
        self.frequency_mask = frequency_mask
        self.time_mask = time_mask
        self.num_masks = num_masks
        self.convolution = tuple(convolution)

    @property
    def samples_per_step(self) -> int:
        """The samples from one step of the encoder's output to the next."""
        samples = self.hop_length
        for factor in self.pooling:
            samples *= factor
        return samples

    def num_steps(self, num_samples: int) -> int:
        """The steps of the encoder's output for a recording of so many samples."""
        return -(-num_samples // self.samples_per_step)

    def encode(self, audio, audio_length):
        """Encodes recordings.

        Args:
            audio: Float tensor `[batch, samples]`.
            audio_length: Integer tensor `[batch]`.

        Returns:
            A dictionary of arguments of the decoder: `memory`, the hidden states
            `[batch, steps, units]` (twice the units if bidirectional), `memory_mask`, and
            `encoder_state`, the last hidden state `[batch, units]`.
        """
        return self.encode_features(*self.log_mel(audio, audio_length))

    def encode_features(self, features, mask):
        """Encodes the spectrogram `[batch, frames, num_mels]` of recordings: see `encode`."""
        states = self.augment(features, mask)
        if self.convolve is not None:
            states = self.convolved_dropout(self.convolve(states, mask))
        for stack, encode, drop in zip(self.stacking, self.encoder, self.between, strict=True):
            states, mask = stack(states, mask)
            states, last = encode(states, padding_mask=mask)
            states = drop(states)
        return {"memory": states, "memory_mask": mask, "encoder_state": last[-1][0]}

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "sampling_rate": self.sampling_rate,
            "frame_length": self.frame_length,
            "hop_length": self.hop_length,
            "num_mels": self.num_mels,
            "normalization": self.normalization,
            "head": self.head,
            "cell": self.cell,
            "units": self.units,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "pooling": list(self.pooling),
            "attention": self.attention,
            "embedding_dim": self.embedding_dim,
            "decoder_units": self.decoder_units,
            "decoder_layers": self.decoder_layers,
            "input_feeding": self.input_feeding,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "frequency_mask": self.frequency_mask,
            "time_mask": self.time_mask,
            "num_masks": self.num_masks,
            "convolution": list(self.convolution),
        }
