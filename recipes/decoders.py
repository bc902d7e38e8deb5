"""The settings of a decoder, which every recipe that learns to write has."""

from collections.abc import Iterator
from typing import Literal

from recipes.schema import Conflict, Count, Section, Share


class DecoderConfig(Section):
    """What `zoo.models.writer.WriterBackbone` is made of."""

    cell: Literal["simple_rnn", "lstm", "gru"] = "gru"
    attention: Literal[
        "none",
        "bahdanau",
        "luong_dot",
        "luong_general",
        "luong_concat",
        "luong_local",
        "scaled_dot",
        "multi_head",
        "transformer",
    ] = "bahdanau"
    embedding_dim: Count = 256
    units: Count = 256
    num_layers: Count = 1
    input_feeding: bool = False
    num_heads: Count = 4
    intermediate_dim: Count = 512
    dropout: Share = 0.3
    tie_embeddings: str = "none"

    def conflicts(self) -> Iterator[Conflict]:
        needs_one_size = self.tie_embeddings != "none" or self.attention == "transformer"
        if needs_one_size and self.embedding_dim != self.units:
            yield Conflict(
                "a tied output and a Transformer need embedding_dim equal to units",
                tie_embeddings=self.tie_embeddings,
                attention=self.attention,
                embedding_dim=self.embedding_dim,
                units=self.units,
            )
        if self.attention in ("multi_head", "transformer") and self.units % self.num_heads:
            yield Conflict(
                "units must be divisible by num_heads",
                units=self.units,
                num_heads=self.num_heads,
            )

    def decoder(self) -> dict:
        """These settings, as arguments of a backbone."""
        return {name: getattr(self, name) for name in DecoderConfig.model_fields}


# What a model to start from must have in common with the one that is trained.
SIZES = tuple(name for name in DecoderConfig.model_fields if name != "dropout")
