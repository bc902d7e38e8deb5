"""Language models of characters whose states are features of words (`model.language_models`)."""

from collections.abc import Sequence
from typing import cast

from zoo.models import CausalLM
from zoo.tokenizers import CharacterTokenizer
from zoo.training import pretrained

KEY = "model.language_models"


def load_language_models(sources: Sequence[str]) -> list[CausalLM]:
    """Loads a language model of characters, or a forward and a backward one.

    Args:
        sources: Their names, as for `zoo.load`.

    Raises:
        ValueError: if one is no recurrent language model of characters, or they do not fit
            together.
    """
    models = [cast(CausalLM, pretrained.load(one, CausalLM, key=KEY)) for one in sources]
    for model, name in zip(models, sources, strict=True):
        tokenizer = model.preprocessor.tokenizer
        if type(tokenizer) is not CharacterTokenizer:
            raise ValueError(
                f"{KEY} must name language models of characters: train one with "
                "tokenizer.level=characters; one of words starts a tagger with "
                f"training.init_from. Received: {name!r}, with a {type(tokenizer).__name__}"
            )
        if not model.backbone.carries_state:
            raise ValueError(
                f"{KEY} must name recurrent language models, which read a sentence of any length: "
                f"train one with model.decoder=lstm. Received: {name!r}, a causal Transformer"
            )
    directions = [model.preprocessor.backward for model in models]
    if directions not in ([False], [False, True]):
        listed = ", ".join(
            f"{name!r} ({'backward' if backward else 'forward'})"
            for name, backward in zip(sources, directions, strict=True)
        )
        raise ValueError(
            f"{KEY} must name a forward language model, or a forward and a backward one, in this "
            f"order: {KEY}=[FORWARD,BACKWARD]. Received: {listed}"
        )
    first, last = models[0].preprocessor, models[-1].preprocessor
    if first.tokenizer.get_vocabulary() != last.tokenizer.get_vocabulary():
        different = set(first.tokenizer.get_vocabulary()) ^ set(last.tokenizer.get_vocabulary())
        raise ValueError(
            "A forward and a backward language model must have the same characters: train both on "
            f"the same data. Received: {', '.join(map(repr, sources))}; one of them lacks "
            f"{', '.join(map(repr, sorted(different)[:10]))}"
        )
    if first.start != last.start:
        raise ValueError(
            "A forward and a backward language model must read the same token before a text: train "
            f"both with the same data.unit. Received: {first.start!r} and {last.start!r}"
        )
    return models


def unknown_share(models: Sequence[CausalLM], sentences: Sequence[Sequence[str]]) -> float:
    """The share of the characters of sentences that language models do not know."""
    tokenizer = models[0].preprocessor.tokenizer
    ids = [one for words in sentences for word in tokenizer.encode(words) for one in word]
    return ids.count(tokenizer.unk_token_id) / max(len(ids), 1)
