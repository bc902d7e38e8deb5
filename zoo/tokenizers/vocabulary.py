"""The base of tokenizers with a list of entries: its checks, its file, and the ids of entries."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import keras_hub

PADDING, UNKNOWN = 0, 1
MAX_BYTES = 16_000_000  # of a stored vocabulary; the characters of all of Unicode take fewer


class VocabularyTokenizer(keras_hub.tokenizers.Tokenizer):
    """Maps the entries that a text is split into to ids, which follow those of special tokens.

    Args:
        entries: The vocabulary, in the order of the ids. Defaults to `None`, for a vocabulary that
            is loaded from a preset.

    Attributes:
        special: The special tokens, which have the first ids: padding, unknown and others.
        vocabulary_file: The file of the entries in a preset.

    Raises:
        ValueError: if there is no entry, or one is invalid or occurs twice.
    """

    special: tuple[str, ...]
    vocabulary_file: str

    def __init__(self, entries: Iterable[str] | None = None, **kwargs):
        super().__init__(**kwargs)
        self.built = True  # no weights
        self.file_assets = [self.vocabulary_file]
        self._entries: tuple[str, ...] | None = None
        self._ids: dict[str, int] = {}
        if entries is not None:
            self.set_vocabulary(entries)

    def set_vocabulary(self, entries: Iterable[str]) -> None:
        """Sets the entries, in the order of their ids; see the class."""
        entries = tuple(entries)
        if not entries:
            raise ValueError("A vocabulary needs at least one entry. Received: none")
        for entry in entries:
            self._check_entry(entry)
        if len(set(entries)) < len(entries):
            twice = next(entry for entry, count in Counter(entries).items() if count > 1)
            raise ValueError(
                f"The entries of a vocabulary must all be different. Received: {twice!r} twice"
            )
        self._entries = entries
        self._ids = {entry: i for i, entry in enumerate(entries, len(self.special))}

    @staticmethod
    def _check_entry(entry: str) -> None:
        """Raises a `ValueError` unless the vocabulary may have this entry."""
        raise NotImplementedError

    @staticmethod
    def split(text: str) -> list[str]:
        """The entries that a text is made of, known or not."""
        raise NotImplementedError

    @property
    def special_tokens(self):
        return list(self.special)

    @property
    def special_token_ids(self):
        return list(range(len(self.special)))

    def vocabulary_size(self) -> int:
        """The number of ids, including those of the special tokens."""
        return len(self.special) + len(self._known())

    def get_vocabulary(self) -> list[str]:
        """The token of each id; the first are the special ones."""
        return [*self.special, *self._known()]

    def encode(
        self, texts: Iterable[str], sampling: float = 0.0, seed: int | None = None
    ) -> list[list[int]]:
        """Ids of each text, without padding. There is nothing to sample."""
        self._known()
        return [[self._ids.get(one, UNKNOWN) for one in self.split(text)] for text in texts]

    def id_to_token(self, id: int) -> str:
        """The token of an id."""
        known, count = self._known(), len(self.special)
        if not 0 <= id < count + len(known):
            raise ValueError(
                f"An id must be below the size of the vocabulary, {self.vocabulary_size()}. "
                f"Received: id={id}"
            )
        return self.special[id] if id < count else known[id - count]

    def save_assets(self, dir_path):
        text = json.dumps(self._known(), ensure_ascii=False)
        Path(dir_path, self.vocabulary_file).write_text(text + "\n", "utf-8", newline="\n")

    def load_assets(self, dir_path):
        path = Path(dir_path, self.vocabulary_file)
        try:
            if (size := path.stat().st_size) > MAX_BYTES:
                raise ValueError(f"it has {size:,} bytes, more than {MAX_BYTES:,}")
            entries = json.loads(path.read_text("utf-8"))
            if not isinstance(entries, list):
                raise ValueError("it is no list")
            self.set_vocabulary(entries)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(
                f"A vocabulary must be a JSON list of strings. Received: {path} ({error})"
            ) from error

    def _unknown(self, text: str) -> list[str]:
        """The entries of a text that are not in the vocabulary, each once."""
        self._known()
        return [one for one in dict.fromkeys(self.split(text)) if one not in self._ids]

    def _known(self) -> tuple[str, ...]:
        if self._entries is None:
            raise ValueError(
                "This tokenizer has no vocabulary: create it from texts, or load its preset. "
                "Received: no vocabulary"
            )
        return self._entries
