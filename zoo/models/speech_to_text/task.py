"""Speech recognition task: CTC, an attentive decoder, or both."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from zoo.checks import check_number
from zoo.decoding import ctc
from zoo.decoding.programs import built_once
from zoo.layers import CTCHead, CTCLoss
from zoo.layers.ctc.likelihood import IMPOSSIBLE
from zoo.models.batching import batches, bucket_size, predict, run_batches
from zoo.models.generation.teacher_forcing import token_losses
from zoo.models.speech_to_text.backbone import SpeechToTextBackbone
from zoo.models.speech_to_text.heads import SpeechHeads
from zoo.models.speech_to_text.preprocessor import SpeechToTextPreprocessor
from zoo.models.speech_to_text.writing import MIN_LENGTH, TranscriptWriter


@keras.saving.register_keras_serializable("zoo")
class SpeechToText(TranscriptWriter, SpeechHeads):
    """Maps a recording to its transcript: many-to-many.

    Outputs by name, as the head of the backbone is `"ctc"`, `"attention"` or both: `ctc`, the
    log-probabilities of the tokens at each step of the encoder `[batch, steps, vocabulary]`, see
    `zoo.layers.CTCHead`; and `tokens`, the logits of the decoder `[batch, target, vocabulary]`.

    `fit` takes `{"audio": ..., "text": ...}`, with recordings as paths, or as one array
    `[batch, samples]`.

    Args:
        backbone: A `SpeechToTextBackbone`.
        preprocessor: A `SpeechToTextPreprocessor`, or `None`.
        ctc_weight: float. Of a model with both heads the share of CTC in the loss, and in the
            score by which `infer` searches for the text. Defaults to `0.3`.

    Raises:
        ValueError: if `ctc_weight` is not between 0 and 1.

    Example:

    >>> model = zoo.load("bilstm_ctc_fsdd_digits_en")
    >>> model.infer(["digits.wav", (samples, 44100)])

    References:
        - Both heads: Watanabe et al. 2017, equation 13; and the score of the beam search
          ("one-pass decoding"), section IV-B2.
    """

    backbone_cls = SpeechToTextBackbone
    preprocessor_cls = SpeechToTextPreprocessor

    def __init__(self, backbone, preprocessor=None, ctc_weight=0.3, **kwargs):
        check_number("ctc_weight", ctc_weight, 0, 1)
        self.ctc_weight = ctc_weight  # Keras compiles the model when it is made
        super().__init__(backbone, preprocessor, **kwargs)

    def build_head(self):
        self.ctc: Any = None  # a `CTCHead`
        if self.backbone.head != "attention":
            backbone = self.backbone
            self.ctc = CTCHead(backbone.vocabulary_size, dtype=backbone.dtype_policy, name="ctc")
        if self.has_decoder:
            super().build_head()

    def build_outputs(self, encoded):
        outputs = {}
        if self.ctc is not None:
            outputs["ctc"] = self.ctc(
                encoded["encoder_sequence_output"], encoded["encoder_padding_mask"]
            )
        if self.has_decoder:
            outputs["tokens"] = super().build_outputs(encoded)
        return outputs

    @property
    def loss_weights(self) -> dict[str, float] | None:
        """The weight of each output's loss; `None` of a model with one output."""
        if self.backbone.head != "joint":
            return None
        return {"ctc": self.ctc_weight, "tokens": 1 - self.ctc_weight}

    def get_config(self):
        return super().get_config() | {"ctc_weight": self.ctc_weight}

    def compile(self, optimizer="auto", loss="auto", weighted_metrics=None, **kwargs):
        """Configures training; see `keras.Model.compile`.

        Args:
            optimizer: `"auto"` is Adam with its default learning rate.
            loss: `"auto"` is `zoo.layers.CTCLoss` of `ctc`, and the cross-entropy of `tokens`,
                weighted by `loss_weights`.
            weighted_metrics: Defaults to `None`.
            **kwargs: Other arguments of `keras.Model.compile`.
        """
        if loss == "auto":
            losses = {
                "ctc": CTCLoss(),
                "tokens": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            }
            loss = {name: losses[name] for name in self.output}
            kwargs.setdefault("loss_weights", self.loss_weights)
        optimizer = "adam" if optimizer == "auto" else optimizer
        super().compile(optimizer, loss, weighted_metrics=weighted_metrics, **kwargs)

    def fits(self, samples: np.ndarray, token_ids: Sequence[int]) -> bool:
        """True if CTC can align a transcript with a recording; always without a CTC head.

        The encoder must have a step for each token, and one between repeated tokens.

        Args:
            samples: One recording, as the preprocessor's `read` returns it.
            token_ids: Its transcript, as `encode` returns it.
        """
        steps = self.backbone.num_steps(len(samples))
        return self.ctc is None or ctc.frames_needed(token_ids) <= steps

    def adapt(self, recordings: Iterable[Any], batch_size: int = 64) -> None:
        """Sets the statistics by which spectrograms are normalized to those of recordings.

        To be called before training; recipes do. Without an effect if the backbone normalizes
        each recording on its own.

        Args:
            recordings: A list of recordings of the training data, as for `infer`.
            batch_size: int. Most recordings in a batch. Defaults to `64`.

        Raises:
            ValueError: if there are no recordings.
        """
        backbone = self.backbone
        if backbone.normalization != "global":
            return
        recordings = self._read(recordings)
        if not recordings:
            raise ValueError("`adapt` needs at least one recording. Received: none")
        sums = np.zeros((2, backbone.num_mels))
        frames = list(map(self.preprocessor.length, recordings))
        for batch in batches(frames, batch_size, MIN_LENGTH):
            inputs = self._collate(batch.take(recordings), batch.length)
            features = predict(self._features, list(inputs)).astype("float64")
            for row, found in zip(batch.rows, features, strict=False):
                valid = found[: frames[row]]
                sums += valid.sum(axis=0), (valid**2).sum(axis=0)
        mean, square = sums / sum(frames)
        backbone.log_mel.set_statistics(mean, square - mean**2)

    def ctc_log_probabilities(
        self, recordings: Iterable[Any], batch_size: int = 64
    ) -> list[np.ndarray]:
        """The log-probabilities of the tokens at each step of the encoder, for each recording.

        For decoding with a language model: see `zoo.decoding.ctc.prefix_beam_search`.

        Args:
            recordings: A list of recordings, as for `infer`.
            batch_size: int. Most recordings in a batch. Defaults to `64`.

        Returns:
            Float32 arrays `[steps, vocabulary]`; token 0 is the blank.

        Raises:
            ValueError: if the model has no CTC head.
        """
        if self.ctc is None:
            raise ValueError(
                "This needs a model with a CTC head: use one with head='ctc' or 'joint'. "
                f"Received: head={self.backbone.head!r}"
            )
        recordings = self._read(recordings)

        def run(batch):
            inputs = self._collate(batch.take(recordings), batch.length)
            return self.ctc_steps([recordings[row] for row in batch.rows], inputs)

        lengths = list(map(self.preprocessor.length, recordings))
        return run_batches(run, lengths, batch_size, MIN_LENGTH)

    def generate(self, *arguments, **options):
        """Not available: `infer` transcribes recordings."""
        raise NotImplementedError(
            "Recordings are transcribed by `infer`: call it in place of this."
        )

    @built_once
    def _features(self):
        """The logarithms of the energies of the bands, from encoder inputs."""
        inputs = [
            keras.Input(batch_shape=one.shape, dtype=one.dtype)
            for one in self.encoder_inputs(self.input)
        ]
        return keras.Model(inputs, self.backbone.log_mel(*inputs, normalized=False)[0])

    def _reference_loss(self, recordings, texts, batch_size):
        """The mean loss of the recordings that the heads can align with their transcripts."""
        preprocessor = self.preprocessor
        encoded = preprocessor.encode(texts)
        totals: dict[str, list[float]] = {name: [] for name in self.output}
        longest = bucket_size(max(map(len, encoded)) + 1, 16)
        for batch in batches(list(map(preprocessor.length, recordings)), batch_size, MIN_LENGTH):
            inputs, labels, weights = preprocessor.collate(
                batch.take(recordings), batch.take(encoded), batch.length, longest
            )
            outputs = predict(self, inputs)
            for i, row in enumerate(batch.rows):
                if "ctc" in outputs:
                    steps = outputs["ctc"][i].astype("float32")
                    found = ctc.labels_log_probability(steps, encoded[row])
                    if found > IMPOSSIBLE / 2:
                        totals["ctc"].append(-found / max(len(encoded[row]), 1))
            if "tokens" in outputs:
                losses = token_losses(outputs["tokens"], labels["tokens"])
                count = len(batch.rows)
                totals["tokens"] += losses[:count][weights["tokens"][:count] > 0].tolist()
        means = {name: float(np.mean(values)) for name, values in totals.items() if values}
        shares = self.loss_weights or dict.fromkeys(means, 1.0)
        return {"loss": sum(shares[name] * mean for name, mean in means.items())}
