"""Rules for values of a config that are valid one by one but not together.

Layers, models and the schemas of recipes all read them. They import no Keras.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from zoo.choices import ATTENTIONS, PLAIN_CELLS, has_heads


class Conflict(ValueError):
    """A combination of values that are valid one by one but not together.

    Args:
        rule: The rule that is broken, and the remedy.
        **values: The arguments that disagree, with their values; `a__b` is the key `a.b`.
    """

    def __init__(self, rule: str, **values: object):
        received = ", ".join(f"{name}={value!r}" for name, value in values.items())
        super().__init__(f"{rule[0].upper()}{rule[1:]}. Received: {received}")
        self.rule = rule
        self.values = values


def check(conflicts: Iterable[Conflict]) -> None:
    """Raises the first conflict, if there is one."""
    for conflict in conflicts:
        raise conflict


def head_conflicts(units: int, num_heads: int, directions: int = 1) -> Iterator[Conflict]:
    """Units, of each direction, that cannot be divided among heads."""
    size = units * directions
    if size % num_heads:
        name = "units" if directions == 1 else f"the size of the states, here {size},"
        yield Conflict(f"{name} must be divisible by num_heads", units=units, num_heads=num_heads)


def encoder_conflicts(
    encoder: str, units: int, num_heads: int, embedding_dim: int | None = None
) -> Iterator[Conflict]:
    """Sizes that an encoder cannot have; `embedding_dim` is `None` if inputs are projected."""
    if encoder != "transformer":
        return
    if embedding_dim not in (None, units):
        yield Conflict(
            "a Transformer needs units equal to embedding_dim",
            encoder=encoder,
            units=units,
            embedding_dim=embedding_dim,
        )
    yield from head_conflicts(units, num_heads)


def decoder_conflicts(
    attention: str, embedding_dim: int, units: int, num_heads: int, tie_embeddings: str = "none"
) -> Iterator[Conflict]:
    """Sizes that a decoder cannot have."""
    if embedding_dim != units and (attention == "transformer" or tie_embeddings != "none"):
        yield Conflict(
            "a tied output and a Transformer need embedding_dim equal to units",
            tie_embeddings=tie_embeddings,
            attention=attention,
            embedding_dim=embedding_dim,
            units=units,
        )
    if has_heads(attention):
        yield from head_conflicts(units, num_heads)


def dot_product_conflicts(attention: str, bidirectional: bool) -> Iterator[Conflict]:
    """A dot product of decoder states with states of both directions, which are twice as long."""
    choice = ATTENTIONS.choice(attention)
    if choice is not None and choice.needs_one_size and bidirectional:
        yield Conflict(
            "a dot product needs encoder and decoder states of one size: set bidirectional "
            "false, or use luong_general or multi_head",
            attention=attention,
            bidirectional=bidirectional,
        )


def copy_conflicts(
    copy: bool, attention: str, source_vocabulary_size: int | None = None
) -> Iterator[Conflict]:
    """Copying without weights of the source's tokens, or of tokens that the target lacks."""
    if copy and attention == "none":
        yield Conflict(
            "copying needs attention, which chooses what is copied: set copy false, or name one",
            copy=copy,
            attention=attention,
        )
    if copy and source_vocabulary_size is not None:
        yield Conflict(
            "copied tokens of the source are written in the target: copying needs one vocabulary "
            "for both",
            copy=copy,
            source_vocabulary_size=source_vocabulary_size,
        )


def caption_conflicts(attention: str, gate: bool, input_feeding: bool) -> Iterator[Conflict]:
    """Options of an attention in a model without attention."""
    if attention == "none" and (gate or input_feeding):
        yield Conflict(
            "gate and input_feeding need attention: set both false",
            attention=attention,
            gate=gate,
            input_feeding=input_feeding,
        )


def weight_dropout_conflicts(
    cell: str, weight_dropout: float, recurrent_dropout: float = 0.0
) -> Iterator[Conflict]:
    """Weight dropout of recurrent kernels where no fast implementation takes them."""
    if weight_dropout and (cell not in PLAIN_CELLS or recurrent_dropout):
        yield Conflict(
            f"weight_dropout is for {', '.join(PLAIN_CELLS)} without recurrent_dropout: set one "
            "of them 0",
            cell=cell,
            weight_dropout=weight_dropout,
            recurrent_dropout=recurrent_dropout,
        )


def language_model_conflicts(
    decoder: str,
    embedding_dim: int,
    units: int,
    num_heads: int,
    attention: str = "none",
    weight_dropout: float = 0.0,
    recurrent_only: float = 0.0,
) -> Iterator[Conflict]:
    """Sizes and options that a language model cannot have.

    Args:
        recurrent_only: Any option above 0 that a Transformer has not: AR and TAR.
    """
    if decoder == "transformer":
        yield from encoder_conflicts(decoder, units, num_heads, embedding_dim)
        if attention != "none" or weight_dropout or recurrent_only:
            yield Conflict(
                "a Transformer attends to the past by itself, and has no recurrent weights or "
                'states to regularise: set attention "none" and the others 0',
                decoder=decoder,
                attention=attention,
                weight_dropout=weight_dropout,
            )
        return
    yield from weight_dropout_conflicts(decoder, weight_dropout)
    if has_heads(attention):
        yield from head_conflicts(units, num_heads)


def adaptive_embedding_conflicts(
    cutoffs: Sequence[int],
    factor: int,
    embedding_dim: int,
    vocabulary_size: int | None = None,
    tie_embeddings: bool = True,
) -> Iterator[Conflict]:
    """Clusters that no vocabulary has, or that have no dimension left.

    Args:
        vocabulary_size: `None` if it is not known yet.
    """
    if not cutoffs:
        return
    if not tie_embeddings:
        yield Conflict(
            "embeddings in clusters are the weights of the output layer too: set tie_embeddings "
            "true, or embedding_cutoffs []",
            embedding_cutoffs=list(cutoffs),
            tie_embeddings=tie_embeddings,
        )
    bounds = [0, *cutoffs, *([] if vocabulary_size is None else [vocabulary_size])]
    if any(one >= other for one, other in itertools.pairwise(bounds)):
        known = {} if vocabulary_size is None else {"vocabulary_size": vocabulary_size}
        yield Conflict(
            "embedding_cutoffs must rise from above 0 to below the size of the vocabulary: "
            "lower them, or set []",
            embedding_cutoffs=list(cutoffs),
            **known,
        )
    if embedding_dim < factor ** len(cutoffs):
        yield Conflict(
            "each cluster has 1/embedding_factor of the dimensions of the one before: the last "
            "needs at least one; raise embedding_dim, or have fewer embedding_cutoffs",
            embedding_dim=embedding_dim,
            embedding_cutoffs=list(cutoffs),
            embedding_factor=factor,
        )


def character_conflicts(characters: str, character_units: int) -> Iterator[Conflict]:
    """Character features of a size that two directions cannot share."""
    if characters == "lstm" and character_units % 2:
        yield Conflict(
            "an LSTM over characters has half of character_units in each direction: make it even",
            characters=characters,
            character_units=character_units,
        )


def pointer_conflicts(
    head: str, attention: str, tags: Collection[str] = (), intents: Collection[str] = ()
) -> Iterator[Conflict]:
    """A head that points at words without attention, or with tags that are not their numbers."""
    if head != "pointer":
        return
    if attention == "none":
        yield Conflict(
            "a head that points at words needs attention, whose weights are its answer: name one",
            head=head,
            attention=attention,
        )
    if intents or any(tag != "O" and not re.fullmatch("[1-9][0-9]*", tag) for tag in tags):
        yield Conflict(
            "a head that points at words needs the tags O, of a word that refers to no other, and "
            "1, 2, …, the numbers of words, and no intents",
            head=head,
            tags=list(tags)[:20],
            intents=list(intents)[:20],
        )


def image_conflicts(
    encoder: str, image_size: Collection[int], widths: Collection[int]
) -> Iterator[Conflict]:
    """Images that a residual CNN would shrink to nothing."""
    smallest = 2 ** (1 + len(widths))
    if encoder == "residual" and min(image_size) < smallest:
        yield Conflict(
            f"images need at least {smallest} pixels a side: the first convolution and each of "
            "widths halve it",
            image_size=image_size,
            widths=widths,
        )


def speech_attention_conflicts(
    attention: str, units: int, bidirectional: bool, decoder_units: int
) -> Iterator[Conflict]:
    """A dot product of decoder states with those of an encoder of another size."""
    choice, size = ATTENTIONS.choice(attention), units * (2 if bidirectional else 1)
    if choice is not None and choice.needs_one_size and decoder_units != size:
        yield Conflict(
            f"a dot product needs encoder and decoder states of one size: set decoder_units to "
            f"{size}, or use luong_general or multi_head",
            attention=attention,
            decoder_units=decoder_units,
        )


def speech_conflicts(num_layers: int, pooling: Collection[int]) -> Iterator[Conflict]:
    """A pooling that does not say for each layer how many steps become one."""
    if len(pooling) != num_layers or any(
        not isinstance(factor, int) or isinstance(factor, bool) or not 1 <= factor <= 16
        for factor in pooling
    ):
        yield Conflict(
            "pooling must have an integer from 1 to 16 for each layer of the encoder",
            num_layers=num_layers,
            pooling=pooling,
        )
