"""Text to token ids and back."""

from zoo.tokenizers.subword import SubwordTokenizer, train_subword_tokenizer

__all__ = ["SubwordTokenizer", "train_subword_tokenizer"]
