"""One-to-many: trains a captioner."""

import re
from typing import TYPE_CHECKING

from recipes.captioning.schema import CaptioningConfig
from zoo.training.recipe import Recipe, TrainingExamples
from zoo.training.schema import DECODER_SIZES

if TYPE_CHECKING:
    import keras

    from zoo.data import Columns, Dataset
    from zoo.models import ImageToText, ImageToTextPreprocessor

# What a model to start from must have in common with this one.
SIZES = ("encoder", "widths", "encoder_output", "image_size", "gate", *DECODER_SIZES)
SIDES = re.compile(r"\b(left|right)", re.IGNORECASE)  # "leftmost" too


class CaptioningRecipe(Recipe):
    """A picture goes in, a sentence comes out."""

    name = "captioning"
    Config = CaptioningConfig
    config: CaptioningConfig

    def load_data(self) -> "Dataset":
        from zoo import data

        settings = self.config.data
        if settings.name is not None:
            return data.load(settings.name, **settings.options)
        return data.load_captioned(
            train=settings.train,
            dev=settings.dev,
            test=settings.test,
            images=settings.images,
            image=settings.image,
            caption=settings.caption,
            dev_fraction=settings.dev_fraction,
            seed=self.config.seed,
        )

    def prepare(self, dataset: "Dataset") -> "ImageToTextPreprocessor":
        from zoo.models import ImageToTextPreprocessor
        from zoo.tokenizers import train_subword_tokenizer

        settings, model = self.config.tokenizer, self.config.model
        if self.config.training.init_from:
            tokenizer = self._pretrained().preprocessor.tokenizer
        else:
            train = dataset.splits["train"]
            texts = [self._learned(text) for texts in train["captions"] for text in texts]
            tokenizer = train_subword_tokenizer(texts, settings.vocabulary_size, settings.algorithm)
        return ImageToTextPreprocessor(tokenizer, model.image_size, model.sequence_length)

    def build(
        self, dataset: "Dataset", preprocessor: "ImageToTextPreprocessor", dtype: str
    ) -> "ImageToText":
        from recipes.captioning.encoder import load_weights
        from zoo.models import ImageToText, ImageToTextBackbone
        from zoo.training.pretrained import check_same_sizes

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
            pretrained = self._pretrained()
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

    def _split(self, model: "ImageToText") -> "tuple[keras.Model | None, keras.Model | None]":
        from recipes.captioning.encoder import split

        return split(model.backbone.image_encoder, self.config.model.train_encoder)

    @property
    def examples_vary_by_epoch(self) -> bool:
        return self.config.training.flip or self.config.tokenizer.sampling > 0

    def examples(self, model: "ImageToText", columns: "Columns", epoch: int) -> TrainingExamples:
        import numpy as np

        from recipes.captioning.arrays import features, pixels

        pictures, settings = columns["image"], self.config.training
        shown = [i for i, texts in enumerate(columns["captions"]) for _ in texts]
        texts = [self._learned(text) for texts in columns["captions"] for text in texts]
        seeds = np.random.SeedSequence([self.config.seed, epoch]).generate_state(2)
        encoded = model.preprocessor.encode(texts, self.config.tokenizer.sampling, int(seeds[0]))
        flipped = np.zeros(len(texts), "bool")
        if settings.flip:
            chosen = np.random.default_rng(seeds[1]).random(len(texts)) < 0.5
            flipped = chosen & [not SIDES.search(text) for text in texts]
        frozen, _ = self._split(model)
        if frozen is None:
            seen, mirrored = pixels(model, pictures), None
        else:
            seen = features(model, frozen, pictures)
            mirrored = features(model, frozen, pictures, flipped=True) if settings.flip else None

        def picture(row):
            if not flipped[row]:
                return seen[shown[row]]
            return seen[shown[row]][:, ::-1] if mirrored is None else mirrored[shown[row]]

        def collate(rows, length):
            inputs, following, weights = model.preprocessor.collate(
                [encoded[row] for row in rows], length
            )
            source = np.stack([picture(row) for row in rows]).astype("float32")
            return {"source": source} | inputs, following, weights

        return TrainingExamples([len(ids) for ids in encoded], collate)

    def training_model(self, model: "ImageToText") -> "keras.Model":
        """From pictures, or from what the frozen part of the CNN sees in them, to logits."""
        import keras

        from zoo.training.losses import DoublyStochastic

        backbone = model.backbone
        tokens, mask = (backbone.input[f"decoder_{part}"] for part in ("token_ids", "padding_mask"))
        frozen, trained = self._split(model)
        seen = backbone.input["images"] if frozen is None else frozen.output
        source = keras.Input(seen.shape[1:], name="source")
        grid = source if trained is None else trained(source)
        states, attention = backbone.decode(tokens, **backbone.encode(grid))
        logits = model.head(states)
        if weight := self.config.training.doubly_stochastic:
            logits = DoublyStochastic(weight, name="doubly_stochastic")(logits, attention, mask)
        inputs = {"source": source, "decoder_token_ids": tokens, "decoder_padding_mask": mask}
        return keras.Model(inputs, logits)

    def compile_options(self, model) -> dict:
        from zoo.training.losses import TokenCrossentropy

        return {
            "loss": TokenCrossentropy(self.config.training.label_smoothing),
            "weighted_metrics": [],
        }

    def measure(self, model: "ImageToText", columns: "Columns") -> dict[str, float]:
        """By greedy search, which is quick."""
        from recipes.captioning.arrays import features

        frozen, trained = self._split(model)
        seen = features(model, frozen, columns["image"]) if trained is None else None
        return model.score(columns, features=seen, beam=1)

    def report(self, model: "ImageToText", columns: "Columns", run) -> None:
        from recipes.captioning.report import report

        report(model, columns, run, samples=self.config.evaluation.samples)

    def _learned(self, caption: str) -> str:
        """A caption as the model learns to write it."""
        if not self.config.tokenizer.lowercase:
            return caption.strip()
        return caption.lower().strip().rstrip(".").rstrip()

    def _pretrained(self) -> "ImageToText":
        from zoo.models import ImageToText
        from zoo.training.pretrained import load

        return load(self.config.training.init_from, ImageToText)
