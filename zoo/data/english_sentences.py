"""Tokenized English sentences for language models of characters that taggers read."""

import random
import re
from dataclasses import replace
from pathlib import Path

from zoo.data.dataset import Dataset, as_dataset
from zoo.data.imdb import Imdb
from zoo.data.universal_dependencies import UdEnglishEwt

MIN_CHARACTERS, MAX_CHARACTERS = 11, 399  # of a sentence of a review
TREEBANK_COPIES = 3
DEV_SENTENCES, SEED = 1500, 1
_PUNCTUATION = re.compile(r"""([.,!?;:()"\[\]…$%])""")
_NEGATION = re.compile(r"(\w)n't\b")
_CLITIC = re.compile(r"(\w)('(?:s|re|ve|ll|d|m)\b)")
_DOTS = re.compile(r"(?: \.){2,}")
_SENTENCE_END = re.compile(r"(?<=[.!?]) +")


class EnglishSentences(Imdb):
    """The sentences of the reviews of `imdb`, test left out, and three times those of EWT's train.

    The reviews are tokenized roughly like the treebank ("do n't .") by regular expressions, which
    also split numbers and abbreviations ("3 . 5", "U . S ."); sentences that are very short or
    long, or not of ASCII, are left out. Dev has sentences of reviews alone, of which some may also
    be in train.
    """

    card = replace(
        Imdb.card,
        name="english_sentences",
        task="causal_lm",
        licence=f"imdb: {Imdb.card.licence}; EWT: {UdEnglishEwt.card.licence}",
        citation=f"{Imdb.card.citation} {UdEnglishEwt.card.citation}",
        description="Sentences of imdb and of the UD treebank EWT as tokens with spaces between.",
        splits={"train": 334_775, "dev": DEV_SENTENCES},
        files=(*Imdb.card.files, *UdEnglishEwt.card.files),
    )

    def path(self) -> Path | None:
        return Imdb().path() if UdEnglishEwt().path() else None

    def get(self) -> Path:
        UdEnglishEwt().get()
        return Imdb().get()

    def load(self) -> Dataset:
        reviews = Imdb().load().splits
        texts = [*reviews["train"]["text"], *reviews["dev"]["text"]]
        sentences = [one for text in texts for one in _sentences(text)]
        random.Random(SEED).shuffle(sentences)
        dev, train = sentences[:DEV_SENTENCES], sentences[DEV_SENTENCES:]
        treebank = map(" ".join, UdEnglishEwt().load().splits["train"]["tokens"])
        train += list(treebank) * TREEBANK_COPIES
        random.Random(SEED).shuffle(train)
        return as_dataset(self.card, {"train": {"text": train}, "dev": {"text": dev}})


def _sentences(text: str) -> list[str]:
    """The tokenized sentences of a review that are neither short nor long, and of ASCII."""
    sentences = map(tokenize, _SENTENCE_END.split(text))
    return [
        one for one in sentences if MIN_CHARACTERS <= len(one) <= MAX_CHARACTERS and one.isascii()
    ]


def tokenize(text: str) -> str:
    """Puts spaces around punctuation, and before n't and clitics."""
    text = _PUNCTUATION.sub(r" \1 ", text.replace("<br />", " "))
    text = _CLITIC.sub(r"\1 \2", _NEGATION.sub(r"\1 n't", text))
    return " ".join(_DOTS.sub(" ...", " ".join(text.split())).split())
