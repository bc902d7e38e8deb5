"""Word tokenizer with character ids, for models that read text split into words."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import keras_hub
import regex

from zoo.choices import UNITS, check_choice
from zoo.unicode import compose

PADDING, UNKNOWN = 0, 1
WORDS_FILE, CHARACTERS_FILE = "words.txt", "characters.txt"

# A word begins with a letter, digit or underscore. Joiners within a word belong to it.
_WORD = (
    r"(?![\p{M}\u200c\u200d])\w"
    r"(?:(?![\u200c\u200d])[\w\p{M}]|[\u200c\u200d](?=[\p{L}\p{M}\p{N}]))*"
)
# What is no word: a grapheme cluster, so that flags, skin tones and joined emoji are not split.
_CLUSTER = r"(?!\s)\X"
# English as in the Penn Treebank: "don't" is "do" and "n't", "it's" is "it" and "'s".
_ENGLISH = regex.compile(
    r"\w+?(?=n['’]t\b)|n['’]t\b|['’](?:s|re|ve|ll|d|m)\b"
    rf"|\d+(?:[.,:]\d+)+|{_WORD}(?:[-.@/]{_WORD})*|\.{{2,}}|-{{2,}}|{_CLUSTER}",
    regex.IGNORECASE,
)
# Other languages: words end at spaces, and each punctuation mark is a word.
_PLAIN = regex.compile(rf"{_WORD}|{_CLUSTER}")
# Zero-width space and Hangul fillers, which separate words.
_BLANKS = regex.compile("[\u200b\u3164\uffa0]")
# Byte-order mark, soft hyphen, marks of direction and other characters without a shape, which are
# left out. Variation selectors, joiners and the tags of flags are parts of clusters.
INVISIBLE = regex.compile(
    r"(?![\p{M}\u200c\u200d\U000e0020-\U000e007f])\p{Default_Ignorable_Code_Point}"
)
_VISIBLE = regex.compile(r"[^\p{Default_Ignorable_Code_Point}\p{Cc}]")
_HANGUL = regex.compile("[가-힣]")


@keras.saving.register_keras_serializable("zoo")
class WordTokenizer(keras_hub.tokenizers.Tokenizer):
    """Maps words and characters to ids; id 0 is padding, id 1 is unknown.

    Created by `train_word_tokenizer`. Text is normalised to Unicode's composed form (NFC).

    Args:
        words: The vocabulary of words, in the order of their ids. Defaults to `None`, for a
            vocabulary that is loaded from a preset.
        characters: The vocabulary of characters, likewise.
        lowercase: bool. Whether words are lower-cased; characters are not. Defaults to `False`.
        jamo: bool. Whether a Hangul syllable is split into its two or three jamo. Defaults to
            `False`.
        language: The code of the language, such as `"en"`, which `split` depends on. Defaults to
            `None`.
        unit: `"words"`, or `"characters"` for a vocabulary of single characters, of which the space
            is one. Defaults to `"words"`.

    Raises:
        ValueError: if a word or a character occurs twice, is empty, or contains a line break, or
            `unit` is unknown.
    """

    pad_token_id, unk_token_id = PADDING, UNKNOWN

    def __init__(
        self,
        words=None,
        characters=None,
        lowercase=False,
        jamo=False,
        language=None,
        unit="words",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.built = True  # no weights
        check_choice("unit", unit, UNITS)
        self.unit = unit
        self.lowercase = lowercase
        self.jamo = jamo
        self.language = language
        self.file_assets = [WORDS_FILE, CHARACTERS_FILE]
        self.words = self.characters = None
        self._word_ids: dict[str, int] = {}
        self._character_ids: dict[str, int] = {}
        if words is not None:
            self.set_vocabulary(words, characters or ())

    def set_vocabulary(self, words: Sequence[str], characters: Sequence[str]) -> None:
        """Sets the vocabularies of words and characters; see the class."""
        self.words, self.characters = _checked("words", words), _checked("characters", characters)
        self._word_ids = {word: i for i, word in enumerate(self.words, 2)}
        self._character_ids = {character: i for i, character in enumerate(self.characters, 2)}

    def vocabulary_size(self) -> int:
        """The number of word ids, including padding and unknown."""
        return len(self._known("words")) + 2

    def character_vocabulary_size(self) -> int:
        """The number of character ids, including padding and unknown."""
        return len(self._known("characters")) + 2

    def encode(self, words: Iterable[str]) -> list[int]:
        """The id of each word of a sentence."""
        self._known("words")
        return [self._word_ids.get(self.form(word), UNKNOWN) for word in words]

    def encode_characters(self, words: Iterable[str], length: int = 32) -> list[list[int]]:
        """The ids of the characters of each word of a sentence.

        Args:
            words: The words.
            length: int. The greatest number of characters. Of longer words the first and the
                last half of that number are encoded. Defaults to `32`.
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
        """Splits raw text into words.

        English is split approximately as in the Penn Treebank (`don't`: `do`, `n't`), other
        languages at spaces and around punctuation. If a model needs the exact tokenisation of a
        treebank, give it lists of words. Emoji are words, with all their parts (skin tones, flags);
        invisible characters, such as a zero-width space or a byte-order mark, are not. With
        `unit="characters"`, its characters; white space between others is one space.
        """
        if self.unit == "characters":
            return split_characters(text)
        return split_text(text, self.language)

    def split_with_ends(self, text: str) -> list[tuple[str, int]]:
        """The words of `split`, and the index in the text in NFC after the end of each."""
        return split_with_ends(text, self.language)

    def tokenize(self, inputs):
        """Strings to lists of word ids, by `split` and `encode`."""
        if isinstance(inputs, str):
            return self.encode(self.split(inputs))
        return [self.tokenize(text) for text in inputs]

    def id_to_token(self, id: int) -> str:
        """The word of an id; `""` for padding and unknown."""
        return ("", "", *self._known("words"))[id]

    def token_to_id(self, token: str) -> int:
        """The id of a word; 1 if it is unknown."""
        self._known("words")
        return self._word_ids.get(self.form(token), UNKNOWN)

    def get_vocabulary(self) -> list[str]:
        """The vocabulary of words."""
        return list(self._known("words"))

    def save_assets(self, dir_path):
        self._save_lines(dir_path, WORDS_FILE, "words")
        self._save_lines(dir_path, CHARACTERS_FILE, "characters")

    def load_assets(self, dir_path):
        self.set_vocabulary(
            self._load_lines(dir_path, WORDS_FILE), self._load_lines(dir_path, CHARACTERS_FILE)
        )

    def _save_lines(self, dir_path, name, entries):
        lines = "".join(f"{entry}\n" for entry in self._known(entries))
        Path(dir_path, name).write_text(lines, "utf-8", newline="\n")

    @staticmethod
    def _load_lines(dir_path, name):
        return Path(dir_path, name).read_bytes().decode("utf-8").split("\n")[:-1]

    def form(self, word: str) -> str:
        """The form in which a word is looked up: in NFC, and in lower case if all are."""
        return compose(word.lower() if self.lowercase else word)

    def _known(self, entries):
        known = getattr(self, entries)
        if known is None:
            raise ValueError(
                "This tokenizer has no vocabulary: create it with `train_word_tokenizer`, or load "
                "its preset. Received: words=None"
            )
        return known

    def get_config(self):
        return super().get_config() | {
            "lowercase": self.lowercase,
            "jamo": self.jamo,
            "language": self.language,
            "unit": self.unit,
        }


def split_characters(text: str) -> list[str]:
    """The visible characters of a text in NFC, with one space for white space between them."""
    return list(" ".join(INVISIBLE.sub("", _BLANKS.sub(" ", compose(text))).split()))


def split_text(text: str, language: str | None = None) -> list[str]:
    """Splits raw text into words; see `WordTokenizer.split`."""
    return [word for word, _ in split_with_ends(text, language)]


def split_with_ends(text: str, language: str | None = None) -> list[tuple[str, int]]:
    """The words of `split_text`, and the index in the text in NFC after the end of each."""
    text = _BLANKS.sub(" ", compose(text))
    places: Sequence[int] = range(len(text))
    if INVISIBLE.search(text):
        hidden = {found.start() for found in INVISIBLE.finditer(text)}
        places = [i for i in places if i not in hidden]
        text = INVISIBLE.sub("", text)
    rule = _ENGLISH if language == "en" else _PLAIN
    return [
        (found[0], places[found.end() - 1] + 1)
        for found in rule.finditer(text)
        if _VISIBLE.search(found[0])
    ]


def spell(word: str, jamo: bool = False) -> str:
    """Normalises a word to composed characters, or splits its Hangul syllables into jamo.

    >>> len(spell("한국")), len(spell("한국", jamo=True))
    (2, 6)
    """
    word = compose(word)
    if not jamo:
        return word
    return _HANGUL.sub(lambda syllable: unicodedata.normalize("NFD", syllable[0]), word)


def train_word_tokenizer(
    sentences: Iterable[Sequence[str]],
    min_count: int = 1,
    lowercase: bool = False,
    jamo: bool = False,
    language: str | None = None,
    unit: str = "words",
) -> WordTokenizer:
    """Creates a tokenizer from the words and characters of sentences.

    Args:
        sentences: Lists of words.
        min_count: int. Number of occurrences from which a word is in the vocabulary. All
            characters are in the vocabulary. Defaults to `1`.
        lowercase, jamo, language, unit: See `WordTokenizer`.

    Returns:
        A `WordTokenizer`; the most frequent words have the lowest ids.

    Raises:
        ValueError: if there is no word.
    """
    words: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for sentence in sentences:
        for word in sentence:
            words[compose(word.lower() if lowercase else word)] += 1
            characters.update(spell(word, jamo))
    if not words:
        raise ValueError("A tokenizer needs at least one word. Received: none")
    known = [word for word, count in words.most_common() if count >= min_count]
    return WordTokenizer(
        sorted(known, key=lambda word: (-words[word], word)),
        sorted(characters, key=lambda one: (-characters[one], one)),
        lowercase,
        jamo,
        language,
        unit,
    )


def _checked(name, entries):
    entries = tuple(map(compose, entries))
    if len(set(entries)) < len(entries):
        twice = next(entry for entry, count in Counter(entries).items() if count > 1)
        raise ValueError(f"`{name}` must all be different. Received: {twice!r} twice")
    for entry in entries:
        if not entry or "\n" in entry:
            raise ValueError(
                f"`{name}` must be strings without line breaks, not empty. Received: {entry!r}"
            )
    return entries
