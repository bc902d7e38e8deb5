"""Roles of the columns of a user's table: texts, labels, images or recordings."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from zoo.data.tables import read_rows

AUDIO = re.compile(r"\.(wav|flac|ogg|mp3|aiff?)$", re.IGNORECASE)
IMAGES = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?)$", re.IGNORECASE)
# Usual names of columns, which decide among several candidates.
TEXTS = ("text", "review", "sentence", "document", "comment", "content", "message", "title")
LABELS = ("label", "class", "category", "sentiment", "rating", "stars", "score", "target", "intent")
TRANSCRIPTS = ("transcript", "transcription", "text", "sentence", "words")
SPEAKERS = ("speaker", "speaker_id", "client_id", "voice")
CAPTIONS = ("caption", *TEXTS)
SOURCES = ("source", "src", "input", "question", "document", "article", "word")
TARGETS = ("target", "tgt", "output", "translation", "answer", "reply", "summary", "phones")
MOST_LABELS = 50
MOST_LABEL_WORDS = 4


@dataclass
class Column:
    """A column of a table, with its values as strings."""

    name: str
    values: list[str]

    @property
    def words(self) -> float:
        """Mean number of words of a value."""
        return mean(len(value.split()) for value in self.values)

    @property
    def characters(self) -> float:
        """Mean number of characters of a value."""
        return mean(map(len, self.values))

    @property
    def counts(self) -> Counter[str]:
        return Counter(value.strip() for value in self.values)

    @property
    def is_image(self) -> bool:
        return all(IMAGES.search(value.strip()) for value in self.values)

    @property
    def is_audio(self) -> bool:
        return all(AUDIO.search(value.strip()) for value in self.values)

    @property
    def is_number(self) -> bool:
        return all(re.fullmatch(r"\s*-?\d+([.,]\d+)?\s*", value) for value in self.values)

    @property
    def is_label(self) -> bool:
        """True if few values occur again and again."""
        counts = self.counts
        few = 2 <= len(counts) <= min(MOST_LABELS, len(self.values) / 2)
        return few and "" not in counts and self.words <= MOST_LABEL_WORDS


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they hold.

    Attributes:
        columns: All columns.
        images: Those of names of image files.
        audio: Those of names of recordings.
        labels: Those of labels.
        texts: Those of texts.
    """

    columns: list[Column]
    images: list[Column]
    audio: list[Column]
    labels: list[Column]
    texts: list[Column]

    @classmethod
    def of(cls, file: Path) -> "Roles":
        """Reads a table."""
        rows = read_rows(file)
        columns = [
            Column(name, ["" if row.get(name) is None else _text(row[name]) for row in rows])
            for name in rows[0]
        ]
        images = [column for column in columns if column.is_image]
        audio = [column for column in columns if column.is_audio]
        media = [*images, *audio]
        labels = [column for column in columns if column.is_label and column not in media]
        texts = [it for it in columns if it not in (*labels, *media) and not it.is_number]
        return cls(columns, images, audio, labels, texts)

    def __str__(self) -> str:
        names = ", ".join(" ".join(column.name.split()) for column in self.columns)
        return f"{len(self.columns[0].values):,} rows with the columns {names}"

    @property
    def text(self) -> Column | None:
        return longest(self.texts, TEXTS)

    @property
    def label(self) -> Column | None:
        fewest = min(self.labels, key=lambda column: len(column.counts), default=None)
        return named_as(self.labels, LABELS) or fewest

    @property
    def caption(self) -> Column | None:
        return longest(self.texts, CAPTIONS)

    @property
    def transcript(self) -> Column | None:
        return named_as(self.columns, TRANSCRIPTS) or next(iter(self.texts), None)

    @property
    def speaker(self) -> Column | None:
        return named_as(self.columns, SPEAKERS)


def named_as(columns: list[Column], names: Sequence[str]) -> Column | None:
    """The column with the first of these names."""
    known = {column.name.lower(): column for column in reversed(columns)}
    return next((known[name] for name in names if name in known), None)


def named_pair(columns: list[Column]) -> list[Column]:
    """Two columns with the usual names of source and target, or none."""
    pair = [named_as(columns, names) for names in (SOURCES, TARGETS)]
    return [column for column in pair if column] if all(pair) else []


def longest(columns: list[Column], names: Sequence[str]) -> Column | None:
    """The column with the first of these names, or else with the longest texts."""
    longest = max(columns, key=lambda column: column.characters, default=None)
    return named_as(columns, names) or longest


def _text(value: Any) -> str:
    """A value as `zoo.data` reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return unicodedata.normalize("NFC", text)
