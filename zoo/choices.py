"""The names a config may use, and the class behind each name.

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
import warnings
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
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


def has_heads(attention: str) -> bool:
    """True if an attention, or a Transformer, divides units among heads."""
    choice = ATTENTIONS.choice(attention)
    return attention == "transformer" or (choice is not None and choice.has_heads)
