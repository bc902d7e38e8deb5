"""Sections of recipe files on parts that models of several tasks have: word vectors, decoders."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from zoo.choices import CELLS, DECODER_ATTENTIONS
from zoo.conflicts import Conflict, decoder_conflicts
from zoo.training.schema import (
    MAX_VOCABULARY,
    Heads,
    Layers,
    Section,
    Share,
    Size,
    TrainingConfig,
    one_of,
)


def _epochs_or_always(value: Any) -> Any:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if value != "always" and not is_count:
        raise PydanticCustomError("freeze", "must be always, or a number of epochs from 0")
    return value


class VectorsConfig(Section):
    """Pretrained word vectors of a model that reads words."""

    paths = frozenset({"word_vectors"})

    word_vectors: str | None = None
    freeze_vectors: Annotated[
        Annotated[int, Field(ge=0, le=100_000)] | str, BeforeValidator(_epochs_or_always)
    ] = "always"
    vector_words: Annotated[int, Field(ge=0, le=MAX_VOCABULARY)] = 10_000

    def vector_conflicts(self, dim: str, training: TrainingConfig) -> Iterator[Conflict]:
        """Yields invalid combinations with `init_from` and the size of trained embeddings.

        Args:
            dim: Name of that size.
            training: The section `training`.
        """
        if self.word_vectors and training.init_from:
            yield Conflict(
                "a model to start from has its own embeddings: leave word_vectors null",
                model__word_vectors=self.word_vectors,
                training__init_from=training.init_from,
            )
        size = getattr(self, dim)
        if not (size or self.word_vectors or training.init_from):
            yield Conflict(
                f"words need trained embeddings, word vectors, or both: set {dim} above 0, or "
                "word_vectors",
                **{f"model__{dim}": size, "model__word_vectors": self.word_vectors},
            )


class DecoderConfig(Section):
    """Decoder of a generation model: arguments of `zoo.models.generation.GenerationBackbone`."""

    cell: Annotated[str, one_of(CELLS)] = "gru"
    attention: Annotated[str, one_of(DECODER_ATTENTIONS)] = "bahdanau"
    embedding_dim: Size = 256
    units: Size = 256
    num_layers: Layers = 1
    input_feeding: bool = False
    num_heads: Heads = 4
    intermediate_dim: Size = 512
    dropout: Share = 0.3
    inner_dropout: Share | None = None
    tie_embeddings: str = "none"

    def conflicts(self) -> Iterator[Conflict]:
        yield from decoder_conflicts(
            self.attention, self.embedding_dim, self.units, self.num_heads, self.tie_embeddings
        )
        if self.inner_dropout is not None and self.attention != "transformer":
            yield Conflict(
                "only a Transformer has dropout within its blocks: set attention transformer, or "
                "inner_dropout null",
                inner_dropout=self.inner_dropout,
                attention=self.attention,
            )

    def decoder(self) -> dict:
        """The settings as arguments of a backbone."""
        return {name: getattr(self, name) for name in DecoderConfig.model_fields}


# Settings that a model given as `training.init_from` must share with the one that is trained.
DECODER_SIZES = tuple(name for name in DecoderConfig.model_fields if "dropout" not in name)
