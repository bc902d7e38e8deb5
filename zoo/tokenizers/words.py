"""Words and their characters as ids, for models that read what was cut into words already."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import keras_hub
import regex

PADDING, UNKNOWN = 0, 1
WORDS_FILE, CHARACTERS_FILE = "words.txt", "characters.txt"

# English as the Penn treebank cuts it: "don't" is "do" and "n't", "it's" is "it" and "'s".
_ENGLISH = regex.compile(
    r"\w+?(?=n['’]t\b)|n['’]t\b|['’](?:s|re|ve|ll|d|m)\b"
    r"|\d+(?:[.,:]\d+)+|[\w\p{M}]+(?:[-.@/][\w\p{M}]+)*|\.{2,}|-{2,}|[^\w\s]",
    regex.IGNORECASE,
)
# Else words are what stands between spaces, and each mark of punctuation is one.
_PLAIN = regex.compile(r"[\w\p{M}]+|[^\w\s]")
_HANGUL = regex.compile("[가-힣]")


@keras.saving.register_keras_serializable("zoo")
class WordTokenizer(keras_hub.tokenizers.Tokenizer):
    """Gives each known word and each known character an id; `0` is padding, `1` the unknown.

    Made by `train_word_tokenizer`. Text is put in Unicode's composed form (NFC) first.

    Args:
        words: The known words, in the order of their ids. Defaults to `None`: a preset's.
        characters: The known characters, likewise.
        lowercase: bool. Whether words are looked up in lower case; characters never are.
            Defaults to `False`.
        jamo: bool. Whether a Hangul syllable is two or three characters, its jamo. Defaults to
            `False`.
        language: A code such as `"en"`, by which `split` goes. Defaults to `None`.

    Raises:
        ValueError: if a word or a character is given twice, is empty, or holds a line break.
    """

    def __init__(
        self, words=None, characters=None, lowercase=False, jamo=False, language=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.lowercase = lowercase
        self.jamo = jamo
        self.language = language
        self.file_assets = [WORDS_FILE, CHARACTERS_FILE]
        self.words = self.characters = None
        if words is not None:
            self.set_vocabulary(words, characters or ())

    def set_vocabulary(self, words: Sequence[str], characters: Sequence[str]) -> None:
        """Sets what is known; see the class."""
        self.words, self.characters = _checked("words", words), _checked("characters", characters)
        self._word_ids = {word: i for i, word in enumerate(self.words, 2)}
        self._character_ids = {character: i for i, character in enumerate(self.characters, 2)}

    def vocabulary_size(self) -> int:
        """Number of word ids, padding and the unknown included."""
        return len(self._known("words")) + 2

    def character_vocabulary_size(self) -> int:
        """The same of characters."""
        return len(self._known("characters")) + 2

    def encode(self, words: Iterable[str]) -> list[int]:
        """The id of each word of a sentence."""
        self._known("words")
        return [self._word_ids.get(self._form(word), UNKNOWN) for word in words]

    def encode_characters(self, words: Iterable[str], length: int = 32) -> list[list[int]]:
        """The ids of the characters of each word of a sentence.

        Args:
            words: The words.
            length: int. Most characters of a word: of a longer one the first and the last
                half. Defaults to `32`.
        """
        self._known("characters")
        encoded = []
        for word in words:
            spelled = spell(word, self.jamo)
            if len(spelled) > length:
                spelled = spelled[: length - length // 2] + spelled[len(spelled) - length // 2 :]
            encoded.append([self._character_ids.get(one, UNKNOWN) for one in spelled])
        return encoded

    def split(self, text: str) -> list[str]:
        """Cuts raw text into words.

        English is cut as in the Penn treebank (`don't`: `do`, `n't`); other languages at spaces
        and around each mark of punctuation. What a treebank does beyond that, it does not know:
        give lists of words where that matters.
        """
        rule = _ENGLISH if self.language == "en" else _PLAIN
        return rule.findall(unicodedata.normalize("NFC", text))

    def tokenize(self, inputs):
        """Strings to lists of word ids, by `split` and `encode`."""
        if isinstance(inputs, str):
            return self.encode(self.split(inputs))
        return [self.tokenize(text) for text in inputs]

    def id_to_token(self, id: int) -> str:
        """The word of an id, `""` for padding and the unknown."""
        return ("", "", *self._known("words"))[id]

    def token_to_id(self, token: str) -> int:
        """The id of a word."""
        return self.encode([token])[0]

    def get_vocabulary(self) -> list[str]:
        """The known words."""
        return list(self._known("words"))

    def save_assets(self, dir_path):
        for name, entries in ((WORDS_FILE, "words"), (CHARACTERS_FILE, "characters")):
            lines = "".join(f"{entry}\n" for entry in self._known(entries))
            Path(dir_path, name).write_text(lines, "utf-8", newline="\n")

    def load_assets(self, dir_path):
        self.set_vocabulary(
            *(
                Path(dir_path, name).read_bytes().decode("utf-8").split("\n")[:-1]
                for name in (WORDS_FILE, CHARACTERS_FILE)
            )
        )

    def _form(self, word):
        word = unicodedata.normalize("NFC", word)
        return word.lower() if self.lowercase else word

    def _known(self, entries):
        known = getattr(self, entries)
        if known is None:
            raise ValueError(
                "This tokenizer knows no words yet: make it with `train_word_tokenizer`, or load "
                "it with its preset. Received: words=None"
            )
        return known

    def get_config(self):
        return super().get_config() | {
            "lowercase": self.lowercase,
            "jamo": self.jamo,
            "language": self.language,
        }


def spell(word: str, jamo: bool = False) -> str:
    """A word as its characters are read: composed, or with each Hangul syllable as its jamo.

    >>> len(spell("한국")), len(spell("한국", jamo=True))
    (2, 6)
    """
    word = unicodedata.normalize("NFC", word)
    if not jamo:
        return word
    return _HANGUL.sub(lambda syllable: unicodedata.normalize("NFD", syllable[0]), word)


def train_word_tokenizer(
    sentences: Iterable[Sequence[str]],
    least_count: int = 1,
    lowercase: bool = False,
    jamo: bool = False,
    language: str | None = None,
) -> WordTokenizer:
    """Collects the words and characters of sentences.

    Args:
        sentences: Lists of words.
        least_count: int. How often a word must occur to be known. Characters are known from
            their first. Defaults to `1`.
        lowercase, jamo, language: See `WordTokenizer`.

    Returns:
        A `WordTokenizer`; the most frequent words have the lowest ids.

    Raises:
        ValueError: if there is no word.
    """
    words: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for sentence in sentences:
        for word in sentence:
            composed = unicodedata.normalize("NFC", word)
            words[composed.lower() if lowercase else composed] += 1
            characters.update(spell(word, jamo))
    if not words:
        raise ValueError("A tokenizer needs at least one word to learn from. Received: none")
    known = [word for word, count in words.most_common() if count >= least_count]
    return WordTokenizer(
        sorted(known, key=lambda word: (-words[word], word)),
        sorted(characters, key=lambda one: (-characters[one], one)),
        lowercase,
        jamo,
        language,
    )


def _checked(name, entries):
    entries = tuple(entries)
    if len(set(entries)) < len(entries):
        twice = next(entry for entry, count in Counter(entries).items() if count > 1)
        raise ValueError(f"`{name}` must all be different. Received: {twice!r} twice")
    for entry in entries:
        if not entry or "\n" in entry:
            raise ValueError(
                f"`{name}` must be strings without line breaks, not empty. Received: {entry!r}"
            )
    return entries
