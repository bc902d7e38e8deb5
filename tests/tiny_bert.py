"""A tiny BERT with random weights, and its preset."""

import keras_hub

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS += ["good", "bad", "film", "play", "the", "a", "not", "##s", "##ing", ",", "!"]


def tiny_tokenizer():
    """A WordPiece tokenizer of a dozen words, which lower-cases."""
    return keras_hub.models.BertTokenizer(WORDS, lowercase=True)


def tiny_encoder(**options):
    """Two layers of 16 units, with positions for 24 tokens."""
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}
    return keras_hub.models.BertBackbone(len(WORDS), **sizes, max_sequence_length=24, **options)


def save_tiny_bert(directory):
    """Saves both as a preset of KerasHub, without a task."""
    encoder = tiny_encoder()
    encoder.save_to_preset(str(directory))
    tiny_tokenizer().save_to_preset(str(directory))
    return encoder
