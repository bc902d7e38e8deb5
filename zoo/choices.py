"""The names a config may use, the class behind each name, and the rules that bind them.

Layers, models and the schemas of recipes all read this table. It imports no Keras: a name stands
for a class as `"module:Class"`, which is imported when the class is asked for.

A package adds names by registering classes. A distribution that names its module in the
entry-point group `zoo.plugins` has it imported as soon as a config uses a name that is not built
in:

```toml
[project.entry-points."zoo.plugins"]
cosine = "my_package.attention"
```
"""

import importlib
import itertools
import re
import warnings
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class Choice:
    """The class behind a name, and the facts about it that rules need.

    Args:
        cls: The class, or `"module:Class"`.
        has_heads: Whether an attention divides its units among `num_heads`.
        needs_one_size: Whether an attention compares queries and keys of one size only.
    """

    cls: str | type
    has_heads: bool = False
    needs_one_size: bool = False


class Registry(Mapping[str, Any]):
    """Classes by name. A built-in class is imported when it is looked up.

    Args:
        kind: A noun for the classes, for error messages.
        choices: A `Choice` by name.
        reserved: Names that configs use for something else in the same place.
    """

    def __init__(self, kind: str, choices: Mapping[str, Choice], reserved: Iterable[str] = ()):
        self.kind = kind
        self.reserved = frozenset(reserved)
        self._choices = dict(choices)

    def __getitem__(self, name: str) -> Any:
        choice = self._choices[name]
        if isinstance(choice.cls, str):
            module, _, attribute = choice.cls.partition(":")
            choice = replace(choice, cls=getattr(importlib.import_module(module), attribute))
            self._choices[name] = choice
        return choice.cls

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._choices

    def __iter__(self) -> Iterator[str]:
        return iter(self._choices)

    def __len__(self) -> int:
        return len(self._choices)

    def choice(self, name: str) -> Choice | None:
        """The row of a name; `None` for a name that is not in the registry."""
        return self._choices[name] if name in self else None

    def register(self, name: str, **facts: bool) -> Callable[[Class], Class]:
        """A class decorator that adds a name. See `Choice` for the facts.

        Raises:
            ValueError: if the name is taken.
        """

        def decorate(cls: Class) -> Class:
            known = self._choices.get(name)
            if name in self.reserved or (known and not _is_same(known.cls, cls)):
                taken = f" by {known.cls}" if known else ""
                raise ValueError(
                    f"The name of a {self.kind} must be free: choose another one. "
                    f"Received: {name!r}, which is taken{taken}"
                )
            self._choices[name] = Choice(cls, **facts)
            return cls

        return decorate


def _is_same(known: str | type, cls: type) -> bool:
    """True if a class is the one already registered, maybe before its module was reloaded."""
    if isinstance(known, type):
        known = f"{known.__module__}:{known.__qualname__}"
    return known == f"{cls.__module__}:{cls.__qualname__}"


class Names(Collection[str]):
    """Names in order: given ones and those of registries, including later additions.

    Args:
        *parts: Names and registries.
        without: Names that are left out.
    """

    def __init__(self, *parts: str | Registry, without: Container[str] = ()):
        self._parts = parts
        self._without = without

    def __iter__(self) -> Iterator[str]:
        for part in self._parts:
            for name in (part,) if isinstance(part, str) else part:
                if name not in self._without:
                    yield name

    def __contains__(self, name: object) -> bool:
        return any(name == other for other in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


# === The names ===

CELLS = Registry(
    "cell",
    {
        "simple_rnn": Choice("keras.layers:SimpleRNN"),
        "lstm": Choice("keras.layers:LSTM"),
        "gru": Choice("keras.layers:GRU"),
        "gru_reset_before": Choice("zoo.layers.gru:ResetBeforeGRU"),
    },
    reserved=("transformer",),
)
ATTENTIONS = Registry(
    "attention",
    {
        "bahdanau": Choice("zoo.layers.attention.additive:BahdanauAttention"),
        "luong_dot": Choice(
            "zoo.layers.attention.multiplicative:LuongDotAttention", needs_one_size=True
        ),
        "luong_general": Choice("zoo.layers.attention.multiplicative:LuongGeneralAttention"),
        "luong_concat": Choice("zoo.layers.attention.additive:LuongConcatAttention"),
        "luong_local": Choice("zoo.layers.attention.local:LuongLocalAttention"),
        "scaled_dot": Choice(
            "zoo.layers.attention.multiplicative:ScaledDotProductAttention", needs_one_size=True
        ),
        "multi_head": Choice("zoo.layers.attention.multi_head:MultiHeadAttention", has_heads=True),
    },
    reserved=("none", "transformer", "last", "max", "mean", "concat"),
)

PLAIN_CELLS = ("simple_rnn", "lstm", "gru")  # those with implementations by the backend
ENCODERS = Names(CELLS, "transformer")
# Attention of a decoder to its memory; with "transformer" encoder and decoder are Transformers.
DECODER_ATTENTIONS = Names("none", ATTENTIONS, "transformer")
# Attention of each word to all words: one additive, one dot-product and one multi-head score, and
# registered ones.
TAGGER_ATTENTIONS = Names(
    "none", ATTENTIONS, without=("luong_dot", "luong_general", "luong_concat", "luong_local")
)
# Of a language model: a stack of recurrent layers, or a causal Transformer.
LANGUAGE_DECODERS = ENCODERS
# Attention of a recurrent language model to its past states.
PAST_ATTENTIONS = Names(
    "none", ATTENTIONS, without=("luong_dot", "luong_general", "luong_concat", "luong_local")
)
POOLINGS = Names(
    "last",
    "max",
    "mean",
    "concat",
    ATTENTIONS,
    without=("luong_dot", "luong_concat", "luong_local"),
)
CHARACTER_FEATURES = ("cnn", "lstm")
CHARACTERS = ("none", *CHARACTER_FEATURES)
HEADS = ("softmax", "crf", "pointer")
SPEECH_HEADS = ("ctc", "attention", "joint")
SPEECH_NORMALIZATIONS = ("global", "recording")  # of spectrograms
SPEECH_ATTENTIONS = Names("none", ATTENTIONS)  # of a recurrent decoder
UNITS = ("words", "characters")  # which a tagger tags
PIECES = ("first", "mean")  # which state of a word's subwords is that of the word
TIED_EMBEDDINGS = ("none", "output", "all")
PURPOSES = (
    "translation",
    "summarization",
    "dialogue",
)  # of pairs of texts, by which they are scored
TIED_CAPTION_EMBEDDINGS = ("none", "output")  # there are no source tokens


def register_attention(
    name: str, *, has_heads: bool = False, needs_one_size: bool = False
) -> Callable[[Class], Class]:
    """Gives a subclass of `zoo.layers.Attention` a name that configs may use.

    The layer is made by the class method `make(units, num_heads, **options)`.

    ```python
    def unit(vectors):
        return vectors * ops.rsqrt(ops.sum(vectors * vectors, axis=-1, keepdims=True) + 1e-6)


    @register_attention("cosine", needs_one_size=True)
    class CosineAttention(Attention):
        def score(self, query, keys):
            return ops.einsum("btd,bsd->bts", unit(query), unit(keys))
    ```

    Args:
        name: The name.
        has_heads: Whether its units must be divisible by `num_heads`. Defaults to `False`.
        needs_one_size: Whether queries and keys must have one size. Defaults to `False`.

    Raises:
        ValueError: if the name is taken.
    """
    return ATTENTIONS.register(name, has_heads=has_heads, needs_one_size=needs_one_size)


def register_cell(name: str) -> Callable[[Class], Class]:
    """Gives a recurrent layer a name that configs may use.

    The class is a subclass of `keras.layers.RNN` and is made as
    `cls(units, return_sequences=True, return_state=True, dtype=…, name=…)`, with
    `recurrent_dropout` if that is not zero. Its output and each of its states have `units`
    features, and its first state is its output.

    Args:
        name: The name.

    Raises:
        ValueError: if the name is taken.
    """
    return CELLS.register(name)


@cache
def load_plugins() -> None:
    """Imports the modules that distributions name in the entry-point group `zoo.plugins`."""
    for point in entry_points(group="zoo.plugins"):
        try:
            point.load()
        except Exception as error:
            warnings.warn(f"The plugin {point.value} cannot be imported: {error}", stacklevel=2)


def is_choice(value: object, choices: Collection[str]) -> bool:
    """True if a value is among the choices, after importing plugins if it is not built in."""
    if value not in choices:
        load_plugins()
    return value in choices


def check_choice(argument: str, value: object, choices: Collection[str]) -> None:
    """Raises a `ValueError` unless the value of an argument is among its choices."""
    if not is_choice(value, choices):
        raise ValueError(
            f"`{argument}` must be one of {list(choices)}. Received: {argument}={value!r}"
        )


# === The rules ===


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


def has_heads(attention: str) -> bool:
    """True if an attention, or a Transformer, divides units among heads."""
    choice = ATTENTIONS.choice(attention)
    return attention == "transformer" or (choice is not None and choice.has_heads)


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
