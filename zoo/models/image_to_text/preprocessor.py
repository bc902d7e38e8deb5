"""Pictures to arrays of one size, captions to padded token ids."""

from collections.abc import Iterable, Sequence

import keras
import keras_hub
import numpy as np

from zoo.images import read_image
from zoo.models.image_to_text.backbone import ImageToTextBackbone
from zoo.models.texts import teacher_forced
from zoo.tokenizers import SubwordTokenizer


@keras.saving.register_keras_serializable("zoo")
class ImageToTextPreprocessor(keras_hub.models.Preprocessor):
    """Reads pictures and tokenizes captions.

    Args:
        tokenizer: A `SubwordTokenizer`.
        image_size: Height and width that pictures are resized to. Defaults to `(224, 224)`.
        sequence_length: int. Longest caption in tokens, the end token included; what is longer
            is cut. Defaults to `40`.
    """

    backbone_cls = ImageToTextBackbone
    tokenizer_cls = SubwordTokenizer

    def __init__(self, tokenizer, image_size=(224, 224), sequence_length=40, **kwargs):
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.size = tuple(image_size)  # of KerasHub's, `image_size` is that of a converter
        self.sequence_length = sequence_length

    def read(self, images: Iterable) -> np.ndarray:
        """The pictures as float32 `[batch, height, width, 3]`, from 0 to 255.

        Args:
            images: What `zoo.images.read_image` takes.
        """
        pixels = [read_image(image, self.size) for image in images]
        return np.stack(pixels).astype("float32")

    def encode(
        self, texts: Iterable[str], sampling: float = 0.0, seed: int | None = None
    ) -> list[list[int]]:
        """Token ids of each caption, cut, with the end token. See `SubwordTokenizer.encode`."""
        end = [self.tokenizer.end_token_id]
        encoded = self.tokenizer.encode(texts, sampling, seed)
        return [ids[: self.sequence_length - 1] + end for ids in encoded]

    def collate(
        self, encoded: Sequence[list[int]], length: int
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """A batch of captions for training: see `zoo.models.texts.teacher_forced`."""
        return teacher_forced(encoded, length, self.tokenizer)

    def call(self, x, y=None, sample_weight=None):
        """Pairs of `"images"` and `"text"` as the model is trained on them."""
        inputs, y, weights = self.collate(self.encode(x["text"]), self.sequence_length)
        inputs = {"images": self.read(x["images"])} | inputs
        return keras.utils.pack_x_y_sample_weight(inputs, y, weights)

    def generate_preprocess(self, x, sequence_length=None):
        """Pictures, with an empty caption to go on from."""
        images = self.read(x["images"] if isinstance(x, dict) else x)
        shape = (len(images), sequence_length or self.sequence_length)
        token_ids = np.full(shape, self.tokenizer.pad_token_id, "int32")
        token_ids[:, 0] = self.tokenizer.start_token_id
        mask = np.zeros(shape, "bool")
        mask[:, 0] = True
        return {"images": images, "decoder_token_ids": token_ids, "decoder_padding_mask": mask}

    def generate_postprocess(self, x):
        """The captions of generated tokens."""
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
