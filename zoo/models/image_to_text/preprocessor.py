"""Preprocessor from images and captions to arrays of one size and padded token ids."""

from collections.abc import Iterable, Sequence

import keras
import keras_hub
import numpy as np

from zoo.images import read_image
from zoo.models.generation.teacher_forcing import teacher_forcing, with_end
from zoo.models.image_to_text.backbone import ImageToTextBackbone
from zoo.models.pipelines import in_python
from zoo.tokenizers import SubwordTokenizer


@keras.saving.register_keras_serializable("zoo")
class ImageToTextTokenizer(SubwordTokenizer):
    """The tokenizer of `ImageToTextBackbone`, by which `from_preset` of tokenizers finds it."""

    backbone_cls = ImageToTextBackbone


@keras.saving.register_keras_serializable("zoo")
class ImageToTextPreprocessor(keras_hub.models.Preprocessor):
    """Reads and resizes images, and tokenizes captions.

    Called on `{"images": ..., "text": ...}` it pads to `sequence_length`, as a KerasHub
    preprocessor does, in `tf.data` too, where images are paths or arrays of one size.

    Args:
        tokenizer: A `SubwordTokenizer`.
        image_size: Height and width that images are resized to. Defaults to `(224, 224)`.
        sequence_length: int. Most tokens of a caption, the end token included; longer ones are
            truncated, without an end token. Defaults to `40`.
    """

    backbone_cls = ImageToTextBackbone
    tokenizer_cls = SubwordTokenizer

    def __init__(self, tokenizer, image_size=(224, 224), sequence_length=40, **kwargs):
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.size = tuple(image_size)  # KerasHub's `image_size` is that of an image converter
        self.sequence_length = sequence_length

    def build(self, input_shape):
        self.built = True  # no weights

    def read(self, images: Iterable) -> np.ndarray:
        """The pixels of images, float32 `[batch, height, width, 3]`, from 0 to 255.

        Args:
            images: Images that `zoo.images.read_image` takes.
        """
        pixels = [read_image(image, self.size) for image in images]
        return np.stack(pixels).astype("float32")

    def encode(
        self, texts: Iterable[str], sampling: float = 0.0, seed: int | None = None
    ) -> list[list[int]]:
        """Token ids of each caption, with the end token unless it is truncated.

        See `SubwordTokenizer.encode`.
        """
        encoded = self.tokenizer.encode(texts, sampling, seed)
        return with_end(encoded, self.sequence_length, self.tokenizer)

    def collate(
        self,
        encoded: Sequence[list[int]],
        length: int,
        read: Sequence[list[int]] | None = None,
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Inputs, labels and weights of captions for training.

        See `zoo.models.generation.teacher_forcing.teacher_forcing`.
        """
        return teacher_forcing(encoded, length, self.tokenizer, read)

    def call(self, x, y=None, sample_weight=None):
        """Inputs, labels and weights of pairs of `"images"` and `"text"` for training."""
        if not isinstance(x, dict) or not {"images", "text"} <= set(x):
            raise ValueError(
                "`fit` and `predict` take images with captions, {'images': …, 'text': …}; `infer` "
                f"captions images alone. Received: {list(x) if isinstance(x, dict) else type(x)}"
            )
        ids, length = ("int32", (None, self.sequence_length)), (None, self.sequence_length)
        outputs = {
            "images": ("float32", (None, *self.size, 3)),
            "decoder_token_ids": ids,
            "decoder_padding_mask": ("bool", length),
            "labels": ids,
            "weights": ("float32", length),
        }
        batch = in_python(self._pack, [x["images"], x["text"]], outputs)
        labels, weights = batch.pop("labels"), batch.pop("weights")
        return keras.utils.pack_x_y_sample_weight(batch, labels, weights)

    def _pack(self, images, texts):
        inputs, labels, weights = self.collate(self.encode(texts), self.sequence_length)
        return {"images": self.read(images)} | inputs | {"labels": labels, "weights": weights}

    def generate_preprocess(self, x, sequence_length=None):
        """Images, with a start token as the prompt of each caption."""
        images = self.read(x["images"] if isinstance(x, dict) else x)
        shape = (len(images), sequence_length or self.sequence_length)
        token_ids = np.full(shape, self.tokenizer.pad_token_id, "int32")
        token_ids[:, 0] = self.tokenizer.start_token_id
        mask = np.zeros(shape, "bool")
        mask[:, 0] = True
        return {"images": images, "decoder_token_ids": token_ids, "decoder_padding_mask": mask}

    def generate_postprocess(self, x):
        """The text of generated tokens."""
        rows = zip(*(keras.ops.convert_to_numpy(x[f"decoder_{part}"])
                     for part in ("token_ids", "padding_mask")), strict=True)  # fmt: skip
        special = (
            self.tokenizer.start_token_id,
            self.tokenizer.end_token_id,
            self.tokenizer.pad_token_id,
        )
        kept = [[int(i) for i in ids[mask] if i not in special] for ids, mask in rows]
        return [self.tokenizer.detokenize(ids) if ids else "" for ids in kept]

    def get_config(self):
        return super().get_config() | {
            "image_size": list(self.size),
            "sequence_length": self.sequence_length,
        }
