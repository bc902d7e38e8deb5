"""Lists of the words that a recogniser may write."""

from collections.abc import Iterable
from pathlib import Path

from zoo.decoding.lexicon import Lexicon
from zoo.files import bounded_lines
from zoo.tokenizers import CharacterTokenizer


def read_words(file: str | Path) -> list[str]:
    """The words of a text file (UTF-8) with one on each line; empty lines are skipped.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8, or a line is too long.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(
            "`words` must be a list of words, or the path of a file with one on each line. There "
            f"is no such file. Received: {str(file)!r}"
        )
    with path.open("rb") as stream:
        lines = [line.decode("utf-8").strip() for line in bounded_lines(stream, file)]
    return [line for line in lines if line]


def make_lexicon(words: Iterable[str], tokenizer: CharacterTokenizer) -> Lexicon:
    """The lexicon of a list of words, in the characters of a tokenizer.

    Raises:
        ValueError: if there are no words, one has white space, or a character that the model
            cannot write.
    """
    words = list(words)
    for word in words:
        if not isinstance(word, str) or len(word.split()) != 1 or word != word.strip():
            raise ValueError(f"Each of `words` must be one word. Received: {word!r}")
        if unknown := tokenizer.unknown_characters(word):
            alphabet = "".join(tokenizer.get_vocabulary()[len(tokenizer.special_tokens) :])
            raise ValueError(
                f"`words` must be written in the letters of the model, {alphabet!r:.200}: leave "
                f"out or respell those with others. Received: {word!r}, with {unknown[0]!r}"
            )
    space = None if tokenizer.unknown_characters(" ") else tokenizer.encode([" "])[0][0]
    return Lexicon(tokenizer.encode(words), space)
