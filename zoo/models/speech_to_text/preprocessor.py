"""Preprocessor from recordings and transcripts to padded samples and token ids."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np

from zoo.audio import read_audio
from zoo.checks import check_integer
from zoo.choices import SPEECH_HEADS, check_choice
from zoo.decoding.lexicon import Lexicon
from zoo.layers.log_mel import check_frames
from zoo.models.batching import pad
from zoo.models.generation.teacher_forcing import teacher_forcing, with_end
from zoo.models.pipelines import in_python
from zoo.models.speech_to_text.backbone import SpeechToTextBackbone
from zoo.models.speech_to_text.words import make_lexicon, read_words
from zoo.tokenizers import CharacterTokenizer


@keras.saving.register_keras_serializable("zoo")
class SpeechToTextTokenizer(CharacterTokenizer):
    """The tokenizer of `SpeechToTextBackbone`, by which `from_preset` of tokenizers finds it."""

    backbone_cls = SpeechToTextBackbone


@keras.saving.register_keras_serializable("zoo")
class SpeechToTextPreprocessor(keras_hub.models.Preprocessor):
    """Reads recordings at one sampling rate, and maps the characters of transcripts to ids.

    Called on `{"audio": ..., "text": ...}` it pads a batch to its longest recording, and
    transcripts to `sequence_length` or the longest. For bucketed batches `read`, `encode` and
    `collate` do the same in steps.

    Args:
        tokenizer: A `CharacterTokenizer`.
        sampling_rate: int. Samples per second; recordings with another rate are resampled.
            Defaults to `8000`.
        frame_length: int. Samples of a frame of the spectrogram. Defaults to `200`.
        hop_length: int. Samples from one frame to the next. Defaults to `80`.
        head: The head of the model: see `SpeechToTextBackbone`. Defaults to `"ctc"`.
        sequence_length: int. Most tokens that a decoder writes, the end token included. Defaults
            to `128`.
        words: List of the words that transcripts consist of. Defaults to `None`: any characters.

    Raises:
        ValueError: if an argument is out of its range.
    """

    backbone_cls = SpeechToTextBackbone
    tokenizer_cls = CharacterTokenizer

    def __init__(
        self,
        tokenizer,
        sampling_rate=8000,
        frame_length=200,
        hop_length=80,
        head="ctc",
        sequence_length=128,
        words=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_frames(sampling_rate, frame_length, hop_length)
        check_choice("head", head, SPEECH_HEADS)
        check_integer("sequence_length", sequence_length, 1)
        self.tokenizer = tokenizer
        self.sampling_rate = sampling_rate
        self.frame_length = frame_length
        self.hop_length = hop_length
        self.head = head
        self.sequence_length = sequence_length
        self.words = None if words is None else list(words)

    def build(self, input_shape):
        self.built = True  # no weights

    def read(self, recordings: Iterable[Any]) -> list[np.ndarray]:
        """The samples of each recording, float32 `[samples]`: see `zoo.audio.read_audio`."""
        return [read_audio(recording, self.sampling_rate) for recording in recordings]

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """The token ids of each transcript, without an end token."""
        return self.tokenizer.encode(texts)

    def lexicon(self, words: str | Path | Iterable[str] = "auto") -> Lexicon | None:
        """The words that transcripts may consist of, as a trie; `None` for any text.

        Args:
            words: `"auto"`, the preprocessor's `words`; `"none"`, no list; a list of words; or the
                path of a file with one on each line. Defaults to `"auto"`.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the model cannot write a word.
        """
        if isinstance(words, str) and words == "none":
            return None
        if isinstance(words, str) and words == "auto":
            return None if self.words is None else make_lexicon(self.words, self.tokenizer)
        given = read_words(words) if isinstance(words, str | Path) else words
        return make_lexicon(given, self.tokenizer)

    def length(self, samples: np.ndarray) -> int:
        """The number of frames of a recording."""
        return -(-len(samples) // self.hop_length)

    def collate_audio(self, recordings: Sequence[np.ndarray], length: int) -> dict[str, np.ndarray]:
        """Pads samples with zeros.

        Args:
            recordings: What `read` returned.
            length: int. Frames to pad to; at least those of the longest recording.

        Returns:
            `audio`, float32 `[batch, length * hop_length]`, and `audio_length`, int32 `[batch]`.
        """
        audio = np.zeros((len(recordings), length * self.hop_length), "float32")
        for row, samples in zip(audio, recordings, strict=True):
            row[: len(samples)] = samples
        return {"audio": audio, "audio_length": np.array(list(map(len, recordings)), "int32")}

    def collate(
        self,
        recordings: Sequence[np.ndarray],
        encoded: Sequence[list[int]],
        length: int,
        target_length: int,
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
        """A batch for training.

        Args:
            recordings: What `read` returned.
            encoded: What `encode` returned.
            length: int. Frames to pad the recordings to.
            target_length: int. Tokens to pad the transcripts to, the end token included.

        Returns:
            Three dictionaries: the inputs of the model; the labels by the name of the output,
            int32 `[batch, target_length]`, without (`ctc`) or with (`tokens`) an end token; and
            their weights, ones `[batch]` of `ctc`, and of `tokens` float32
            `[batch, target_length]`, 0 in the padding and 1 elsewhere.
        """
        inputs = self.collate_audio(recordings, length)
        labels, weights = {}, {}
        if self.head != "attention":
            labels["ctc"] = pad(encoded, target_length, self.tokenizer.pad_token_id)[0]
            weights["ctc"] = np.ones(len(encoded), "float32")
        if self.head != "ctc":
            ended = with_end(encoded, target_length, self.tokenizer)
            forced, labels["tokens"], weights["tokens"] = teacher_forcing(
                ended, target_length, self.tokenizer
            )
            inputs |= forced
        return inputs, labels, weights

    def call(self, x, y=None, sample_weight=None):
        """Inputs, labels and weights of pairs of `"audio"` and `"text"` for training."""
        if not isinstance(x, dict) or not {"audio", "text"} <= set(x):
            raise ValueError(
                "`fit` and `predict` take recordings with transcripts, {'audio': …, 'text': …}; "
                "`infer` transcribes recordings alone. "
                f"Received: {list(x) if isinstance(x, dict) else type(x)}"
            )
        ids, floats = ("int32", (None, None)), ("float32", (None, None))
        outputs = {"audio": floats, "audio_length": ("int32", (None,))}
        names = []
        if self.head != "attention":
            names.append("ctc")
            outputs |= {"ctc_labels": ids, "ctc_weights": ("float32", (None,))}
        if self.head != "ctc":
            names.append("tokens")
            outputs |= {"decoder_token_ids": ids, "decoder_padding_mask": ("bool", (None, None))}
            outputs |= {"tokens_labels": ids, "tokens_weights": floats}
        batch = in_python(self._pack, [x["audio"], x["text"]], outputs)
        labels = {name: batch.pop(f"{name}_labels") for name in names}
        weights = {name: batch.pop(f"{name}_weights") for name in names}
        return keras.utils.pack_x_y_sample_weight(batch, labels, weights)

    def _pack(self, audio, texts):
        recordings, encoded = self.read(audio), self.encode(texts)
        inputs, labels, weights = self.collate(
            recordings,
            encoded,
            max(map(self.length, recordings)),
            max([self.sequence_length, *(len(ids) + 1 for ids in encoded)]),
        )
        named = {f"{name}_labels": values for name, values in labels.items()}
        return inputs | named | {f"{name}_weights": values for name, values in weights.items()}

    def get_config(self):
        return super().get_config() | {
            "sampling_rate": self.sampling_rate,
            "frame_length": self.frame_length,
            "hop_length": self.hop_length,
            "head": self.head,
            "sequence_length": self.sequence_length,
            "words": self.words,
        }
