"""Speech recipe: trains a `SpeechToText`."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recipes.speech.recordings import Recordings, faster, faster_length, noisy
from recipes.speech.report import report
from recipes.speech.schema import SpeechConfig
from zoo.data import Columns, Dataset
from zoo.layers import CTCLoss
from zoo.models import SpeechToText, SpeechToTextBackbone, SpeechToTextPreprocessor
from zoo.models.speech_to_text.words import make_lexicon, read_words
from zoo.tokenizers import CharacterTokenizer, train_character_tokenizer
from zoo.training.display import Display
from zoo.training.losses import TokenCrossentropy
from zoo.training.pretrained import check_same_sizes
from zoo.training.recipe import Recipe, TrainingExamples

# Settings that may differ from those of a model given as `training.init_from`.
FREE = ("dropout", "frequency_mask", "time_mask", "num_masks", "ctc_weight", "sequence_length")
ADAPTED = 1_000  # recordings of train from which the statistics of spectrograms are taken
MAX_NAMED = 5  # recordings or letters in a message


@dataclass(frozen=True)
class _Split:
    """Recordings that are trained on, with their encoded transcripts."""

    columns: Columns
    recordings: Recordings
    encoded: list[list[int]]
    rows: list[int]


class SpeechRecipe(Recipe):
    """Recipe of speech recognisers (many-to-many, without an alignment)."""

    Task = SpeechToText
    config: SpeechConfig
    report = staticmethod(report)

    _train: _Split | None = None
    _dev: tuple[Columns, Recordings] | None = None

    def extend(self, dataset: Dataset, display: Display) -> Dataset:
        if not self.config.tokenizer.lowercase:
            return dataset
        splits = {
            split: {**columns, "text": [text.lower() for text in columns["text"]]}
            for split, columns in dataset.splits.items()
        }
        return replace(dataset, splits=splits)

    def prepare(self, dataset: Dataset) -> SpeechToTextPreprocessor:
        alphabet, model = self.config.tokenizer.alphabet, self.config.model
        texts = dataset.splits["train"]["text"]
        if self.config.training.init_from:
            tokenizer = self.initial_model.preprocessor.tokenizer
        elif alphabet:
            tokenizer = CharacterTokenizer(sorted(set(alphabet)))
        else:
            tokenizer = train_character_tokenizer(texts)
        check_letters(tokenizer, dataset.splits)
        words = self._words(texts)
        if words is not None:
            make_lexicon(words, tokenizer)  # refuses what the model cannot write
        return SpeechToTextPreprocessor(
            tokenizer,
            sampling_rate=model.sampling_rate,
            frame_length=model.frame_length,
            hop_length=model.hop_length,
            head=model.head,
            sequence_length=model.sequence_length,
            words=words,
        )

    def _words(self, texts: Sequence[str]) -> list[str] | None:
        """The words that transcripts may consist of; `None` for any text."""
        settings = self.config.tokenizer
        if settings.words is None:
            return None
        if settings.words == "train":
            return sorted({word for text in texts for word in text.split()})
        words = read_words(settings.words)
        return [word.lower() for word in words] if settings.lowercase else words

    def build(
        self, dataset: Dataset, preprocessor: SpeechToTextPreprocessor, dtype: str
    ) -> SpeechToText:
        settings = self.config.model
        backbone = SpeechToTextBackbone(
            preprocessor.tokenizer.vocabulary_size(), dtype=dtype, **settings.backbone()
        )
        model = SpeechToText(backbone, preprocessor, ctc_weight=settings.ctc_weight)
        if self.config.training.init_from:
            pretrained = self.initial_model
            sizes = [name for name in settings.backbone() if name not in FREE]
            check_same_sizes(pretrained.backbone, backbone, sizes)
            model.set_weights(pretrained.get_weights())
        else:
            audio = dataset.splits["train"]["audio"]
            model.adapt(audio[:: -(-len(audio) // ADAPTED)])
        return model

    @property
    def examples_vary_by_epoch(self) -> bool:
        return self.config.training.speed > 0 or self.config.training.noise is not None

    def examples(self, model: SpeechToText, columns: Columns, epoch: int) -> TrainingExamples:
        if self._train is None or self._train.columns is not columns:
            self._train = self._fitting(model, columns)
        preprocessor, settings, train = model.preprocessor, self.config.training, self._train
        hop = preprocessor.hop_length
        random = np.random.default_rng([self.config.seed, epoch])
        speeds = 1 + settings.speed * random.uniform(-1, 1, len(train.rows))
        seeds = random.integers(2**32, size=len(train.rows))
        before = [train.recordings.lengths[row] for row in train.rows]
        samples = [faster_length(*pair) for pair in zip(before, speeds, strict=True)]
        longest = max(len(train.encoded[row]) for row in train.rows) + 1
        target_length = -(-longest // 8) * 8

        def changed(i: int, most: int) -> np.ndarray:
            """A recording as it is in this epoch, with at most so many samples."""
            found = train.recordings[train.rows[i]]
            speed = max(speeds[i], len(found) / most)  # buckets are those of the first epoch
            if speed != 1:
                found = faster(found, speed)[:most]
            if settings.noise:
                own = np.random.default_rng(seeds[i])
                found = noisy(found, own.uniform(*settings.noise), own)
            return found

        def collate(rows, length):
            return preprocessor.collate(
                [changed(i, length * hop) for i in rows],
                [train.encoded[train.rows[i]] for i in rows],
                length,
                target_length,
            )

        return TrainingExamples([-(-length // hop) for length in samples], collate)

    def _fitting(self, model: SpeechToText, columns: Columns) -> _Split:
        """The training split without what the model cannot learn, with a warning that names it."""
        preprocessor, settings = model.preprocessor, self.config.model
        recordings = Recordings(columns["audio"], preprocessor.sampling_rate)
        encoded = preprocessor.encode(columns["text"])
        names = [audio.name for audio in columns["audio"]]
        short, long, rows = [], [], []
        for row, (samples, ids) in enumerate(zip(recordings, encoded, strict=True)):
            if not model.fits(samples, ids):
                short.append(names[row])
            elif model.has_decoder and len(ids) >= settings.sequence_length:
                long.append(names[row])
            else:
                rows.append(row)
        for left_out, reason in (
            (
                short,
                "are shorter than their transcripts, so that CTC cannot align them: check them, or "
                "lower model.pooling or model.hop_length",
            ),
            (long, "have longer transcripts than model.sequence_length: set it higher"),
        ):
            if left_out:
                warnings.warn(
                    f"{len(left_out):,} of {len(names):,} recordings {reason}. They are left out: "
                    f"{_listed(left_out)}",
                    stacklevel=2,
                )
        if not rows:
            raise ValueError(
                "No recording can be trained on: all are shorter than their transcripts, or their "
                f"transcripts too long. Received: {_listed(names)}"
            )
        return _Split(columns, recordings, encoded, rows)

    def compile_options(self, model: SpeechToText) -> dict:
        losses = {
            "ctc": CTCLoss(),
            "tokens": TokenCrossentropy(self.config.training.label_smoothing),
        }
        return {
            "loss": {name: losses[name] for name in model.output},
            "loss_weights": model.loss_weights,
            "weighted_metrics": None,
        }

    def measure(self, model: SpeechToText, columns: Columns) -> dict[str, float]:
        """Scores greedy search, which is faster than beam search, and any words."""
        if self._dev is None or self._dev[0] is not columns:
            recordings = Recordings(columns["audio"], model.preprocessor.sampling_rate)
            self._dev = (columns, recordings)
        return model.score(columns | {"audio": self._dev[1]}, beam=1, words="none")


def check_letters(tokenizer: CharacterTokenizer, splits: dict[str, Columns]) -> None:
    """Checks that the transcripts have letters of the alphabet alone.

    Raises:
        ValueError: if a transcript of train has another one. In other splits it is a mistake that
            the model cannot avoid, of which a warning tells.
    """
    for split, columns in splits.items():
        unknown: dict[str, str] = {}
        for audio, text in zip(columns["audio"], columns["text"], strict=True):
            for letter in tokenizer.unknown_characters(text):
                unknown.setdefault(letter, f"{letter!r} in {text!r:.60} of {audio.name}")
        if not unknown:
            continue
        found = f"{len(unknown)} other letters in {split}: {_listed(list(unknown.values()))}"
        if split == "train":
            alphabet = "".join(tokenizer.get_vocabulary()[4:])
            raise ValueError(
                "Transcripts must be written in the letters of the alphabet "
                f"{alphabet!r:.200}: add the letter to tokenizer.alphabet, or spell the word "
                f"otherwise. Received: {found}"
            )
        warnings.warn(f"Letters that train lacks cannot be recognised: {found}", stacklevel=2)


def _listed(names: Sequence[str]) -> str:
    more = ", …" if len(names) > MAX_NAMED else ""
    return f"{', '.join(names[:MAX_NAMED])}{more}"
