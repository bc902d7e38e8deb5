"""Tokenizers: subwords by SentencePiece, and words with characters."""

from zoo.tokenizers.subword import SubwordTokenizer, train_subword_tokenizer
from zoo.tokenizers.words import WordTokenizer, train_word_tokenizer

__all__ = ["SubwordTokenizer", "WordTokenizer", "train_subword_tokenizer", "train_word_tokenizer"]
