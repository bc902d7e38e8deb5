"""Captioning recipe: trains an `ImageToText`."""

import re
import warnings

import keras
import numpy as np
from keras import ops

from recipes.captioning.arrays import features, pixels
from recipes.captioning.encoder import load_weights, split
from recipes.captioning.report import report
from recipes.captioning.schema import CaptioningConfig
from zoo.data import Columns, Dataset
from zoo.metrics import caption_score_each
from zoo.models import ImageToText, ImageToTextBackbone, ImageToTextPreprocessor
from zoo.models.batching import batches, predict
from zoo.tokenizers import train_subword_tokenizer
from zoo.training.losses import DoublyStochastic, TokenCrossentropy
from zoo.training.model_schema import DECODER_SIZES
from zoo.training.pretrained import check_same_sizes
from zoo.training.recipe import TrainingExamples
from zoo.training.rewards import DRAWN, PolicyGradient, advantages, learned_from, mean_scores
from zoo.training.word_dropout import drop_words
from zoo.training.writing import WriterRecipe

# Settings that a model given as `training.init_from` must share with the one that is trained.
SIZES = ("encoder", "widths", "encoder_output", "image_size", "gate", *DECODER_SIZES)
SIDES = re.compile(r"\b(left|right)", re.IGNORECASE)  # also "leftmost"
MIN_LENGTH = 16  # tokens that captions are padded to on dev


class CaptioningRecipe(WriterRecipe):
    """Recipe of captioners (one-to-many)."""

    Task = ImageToText
    config: CaptioningConfig
    report = staticmethod(report)

    def prepare(self, dataset: Dataset) -> ImageToTextPreprocessor:
        settings, model = self.config.tokenizer, self.config.model
        if self.config.training.init_from:
            tokenizer = self.initial_model.preprocessor.tokenizer
        else:
            train = dataset.splits["train"]
            texts = [self._target(text) for texts in train["captions"] for text in texts]
            tokenizer = train_subword_tokenizer(texts, settings.vocabulary_size, settings.algorithm)
        return ImageToTextPreprocessor(tokenizer, model.image_size, model.sequence_length)

    def build(
        self, dataset: Dataset, preprocessor: ImageToTextPreprocessor, dtype: str
    ) -> ImageToText:
        settings = self.config.model
        backbone = ImageToTextBackbone(
            preprocessor.tokenizer.vocabulary_size(),
            image_size=settings.image_size,
            encoder=settings.encoder,
            widths=settings.widths,
            encoder_output=settings.encoder_output,
            train_encoder=settings.train_encoder,
            gate=settings.gate,
            dtype=dtype,
            **settings.decoder(),
        )
        model = ImageToText(backbone, preprocessor)
        if self.config.training.init_from:
            pretrained = self.initial_model
            check_same_sizes(pretrained.backbone, backbone, SIZES)
            model.set_weights(pretrained.get_weights())
        elif settings.weights:
            load_weights(
                backbone.image_encoder,
                settings.encoder,
                settings.weights,
                settings.encoder_output,
            )
        return model

    def _split(self, model: ImageToText) -> tuple[keras.Model | None, keras.Model | None]:
        return split(model.backbone.image_encoder, self.config.model.train_encoder)

    @property
    def examples_vary_by_epoch(self) -> bool:
        training, tokenizer = self.config.training, self.config.tokenizer
        is_random = training.flip or tokenizer.sampling > 0 or tokenizer.word_dropout > 0
        return is_random or bool(training.rewards)

    def rows_to_write(self, model, columns):
        return list(range(len(columns["image"])))

    def write(self, model, columns, rows, **search):
        frozen, trained = self._split(model)
        if trained is None:
            grids = features(model, frozen, columns["image"])
            return model.caption_features(grids[rows], **search)
        return model.infer([columns["image"][row] for row in rows], **search)

    def references(self, columns):
        return columns["captions"]

    def score_each(self, references, texts, name):
        return caption_score_each(references, texts, name)

    def examples(self, model: ImageToText, columns: Columns, epoch: int) -> TrainingExamples:
        training, tokenizer = self.config.training, self.config.tokenizer
        if DRAWN not in columns:
            augmentation = training.flip, tokenizer.sampling, tokenizer.word_dropout
            return self._examples(model, columns, epoch, *augmentation)
        drawn, rewards = columns[DRAWN], training.rewards or []
        captions = [[one["text"] for one in texts] for texts in drawn]
        examples = self._examples(model, columns | {"captions": captions}, epoch)
        return learned_from(examples, advantages(drawn, rewards), mean_scores(drawn, rewards))

    def _examples(
        self, model, columns, epoch=0, flip=False, sampling=0.0, word_dropout=0.0
    ) -> TrainingExamples:
        images = columns["image"]
        image_of = [i for i, texts in enumerate(columns["captions"]) for _ in texts]
        texts = [self._target(text) for texts in columns["captions"] for text in texts]
        seeds = np.random.SeedSequence([self.config.seed, epoch]).generate_state(2)
        encoded = model.preprocessor.encode(texts, sampling, int(seeds[0]))
        end = model.preprocessor.tokenizer.end_token_id
        if truncated := sum(ids[-1] != end for ids in encoded):
            warnings.warn(
                f"{truncated:,} of {len(encoded):,} captions are longer than "
                f"{self.config.model.sequence_length - 1} tokens and are cut, without an end: set "
                "model.sequence_length higher.",
                stacklevel=2,
            )
        rng = np.random.default_rng([self.config.seed, epoch])
        read = drop_words(encoded, word_dropout, rng, kept=[end])
        flipped = np.zeros(len(texts), "bool")
        if flip:
            chosen = np.random.default_rng(seeds[1]).random(len(texts)) < 0.5
            flipped = chosen & [not SIDES.search(text) for text in texts]
        frozen, _ = self._split(model)
        if frozen is None:
            sources, mirrored = pixels(model, images), None
        else:
            sources = features(model, frozen, images)
            mirrored = features(model, frozen, images, flipped=True) if flip else None

        def source(row):
            if flipped[row] and mirrored is not None:
                return mirrored[image_of[row]]
            return sources[image_of[row]][:, :: -1 if flipped[row] else 1]

        def collate(rows, length):
            inputs, targets, weights = model.preprocessor.collate(
                [encoded[row] for row in rows], length, [read[row] for row in rows]
            )
            batch = np.stack([source(row) for row in rows]).astype("float32")
            return {"source": batch} | inputs, targets, weights

        return TrainingExamples([len(ids) for ids in encoded], collate)

    def training_model(self, model: ImageToText) -> keras.Model:
        """Model from images, or from the features of the frozen part of the CNN, to logits."""
        backbone = model.backbone
        tokens, mask = (backbone.input[f"decoder_{part}"] for part in ("token_ids", "padding_mask"))
        frozen, trained = self._split(model)
        like = backbone.input["images"] if frozen is None else frozen.output
        source = keras.Input(like.shape[1:], name="source")
        grid = source if trained is None else trained(source)
        states, attention = backbone.decode(tokens, **backbone.encode(grid))
        logits = model.head(states)
        if weight := self.config.training.doubly_stochastic:
            logits = DoublyStochastic(weight, name="doubly_stochastic")(logits, attention, mask)
        inputs = {"source": source, "decoder_token_ids": tokens, "decoder_padding_mask": mask}
        self._trained = keras.Model(inputs, logits)
        return self._trained

    def compile_options(self, model) -> dict:
        training = self.config.training
        loss = TokenCrossentropy(training.label_smoothing)
        if training.rewards:
            loss = PolicyGradient(training.drawn_temperature)
        return {"loss": loss, "weighted_metrics": []}

    def measure(self, model: ImageToText, columns: Columns) -> dict[str, float]:
        """Scores greedy search, which is faster than beam search; and the loss of the captions."""
        scores = self.search_scores(model, columns, beam=1)
        return scores | {"loss": self._loss(model, columns)}

    def search_scores(self, model, columns, **search):
        """Scores a search with options; the features of images are kept where none is trained."""
        frozen, trained = self._split(model)
        grids = features(model, frozen, columns["image"]) if trained is None else None
        return model.score(columns, features=grids, **search)

    def _loss(self, model: ImageToText, columns: Columns) -> float:
        """Mean cross-entropy of a token of the captions, in nats."""
        examples, loss = self._examples(model, columns), TokenCrossentropy()
        total = count = 0.0
        for batch in batches(examples.lengths, self.config.training.batch_size, MIN_LENGTH):
            rows = np.array(batch.take(range(len(examples.lengths))))
            inputs, labels, weights = examples.collate(rows, batch.length)
            weights[len(batch.rows) :] = 0  # filling rows
            losses = loss.call(labels, predict(self._trained, inputs))
            total += float((ops.convert_to_numpy(losses) * weights).sum())
            count += float(weights.sum())
        return total / count

    def _target(self, caption: str) -> str:
        """The caption as a training target."""
        if not self.config.tokenizer.lowercase:
            return caption.strip()
        return caption.lower().strip().rstrip(".").rstrip()
