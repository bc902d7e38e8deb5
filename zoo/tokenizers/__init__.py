"""Tokenizers: SentencePiece subwords, characters, symbols, and words."""

# ruff: noqa: E402 (what KerasHub needs is checked first, because it fails unclearly without)
from zoo.backends import check_models
from zoo.home import provide_home

provide_home()
check_models()

from zoo.tokenizers.characters import CharacterTokenizer, train_character_tokenizer
from zoo.tokenizers.spaced_words import SpacedWordTokenizer, train_spaced_word_tokenizer
from zoo.tokenizers.subword import SubwordTokenizer, train_subword_tokenizer
from zoo.tokenizers.symbols import SymbolTokenizer, train_symbol_tokenizer
from zoo.tokenizers.text_words import TextWordTokenizer, train_text_word_tokenizer
from zoo.tokenizers.words import WordTokenizer, train_word_tokenizer

__all__ = [
    "CharacterTokenizer",
    "SpacedWordTokenizer",
    "SubwordTokenizer",
    "SymbolTokenizer",
    "TextWordTokenizer",
    "WordTokenizer",
    "train_character_tokenizer",
    "train_spaced_word_tokenizer",
    "train_subword_tokenizer",
    "train_symbol_tokenizer",
    "train_text_word_tokenizer",
    "train_word_tokenizer",
]
