"""The words of the sentences that a tagger is given, checked."""

import warnings
from collections.abc import Iterable, Sequence

from zoo.models.checks import require_preprocessor

# Most words of a sentence, and where each attends to all: 4 heads then take 256 MB.
MAX_WORDS, MAX_ATTENDING_WORDS = 16_384, 4096


def words_of(model, sentences: Iterable[str | Sequence[str]]) -> list[list[str]]:
    """The words of each sentence.

    Warns of sentences with more words than a model that points at words can reach.

    Args:
        model: A `TokenClassifier`.
        sentences: Texts, or lists of words.

    Raises:
        TypeError: if a sentence is neither a string nor a list of strings.
        ValueError: if a sentence is too long, or the model has no preprocessor.
    """
    preprocessor = require_preprocessor(model.preprocessor)
    if isinstance(sentences, str) or not isinstance(sentences, Iterable):
        raise TypeError(
            f"Sentences must come in a list, even a single one. Received: sentences={sentences!r}"
        )
    backbone = model.backbone
    attends = backbone.attention != "none" or backbone.encoder == "transformer"
    most = MAX_ATTENDING_WORDS if attends else MAX_WORDS
    words: list[list[str]] = []
    for i, sentence in enumerate(sentences):
        is_text = isinstance(sentence, str)
        if not is_text and not (
            isinstance(sentence, Sequence) and all(isinstance(word, str) for word in sentence)
        ):
            raise TypeError(
                f"Sentences must be strings or lists of {model.units}. "
                f"Received: sentences[{i}]={sentence!r}"
            )
        words.append(preprocessor.words(sentence))
        if len(words[i]) > most:
            raise ValueError(
                f"A sentence may have at most {most:,} {model.units} in this model. Split the "
                f"text into sentences; in a file of tagged {model.units}, a blank line ends one. "
                f"Received: sentences[{i}] with {len(words[i]):,} {model.units}"
            )
    if model.head == "pointer":
        _warn_of_words_out_of_reach(model, words)
    return words


def _warn_of_words_out_of_reach(model, words):
    reach = max((int(tag) for tag in model.tags if tag != "O"), default=0)
    if longer := sum(len(sentence) > reach for sentence in words):
        warnings.warn(
            f"{longer:,} of {len(words):,} sentences have more {model.units} than this model can "
            f"point at, the first {reach:,}: a {model.units[:-1]} that refers to a later one gets "
            "another answer. Split them.",
            stacklevel=4,
        )
