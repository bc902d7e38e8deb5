"""Tokenizer of symbols that are separated by spaces."""

import pytest

from zoo.tokenizers import SymbolTokenizer, train_symbol_tokenizer

pytestmark = pytest.mark.once

TEXTS = ["K AA1", "AA1 R S", "K"]


def test_ids_are_the_special_tokens_and_the_sorted_symbols():
    tokenizer = train_symbol_tokenizer(TEXTS)
    assert tokenizer.get_vocabulary()[4:] == ["AA1", "K", "R", "S"]
    assert tokenizer.encode(["K  AA1\n", "", "k S"]) == [[5, 4], [], [1, 7]]
    assert tokenizer.detokenize([2, 5, 1, 4, 3, 0]) == "K \ufffd AA1"
    assert tokenizer.detokenize([[5], []]) == ["K", ""]
    assert tokenizer.pieces(" K  AA1 ") == ["K", " AA1"]
    assert tokenizer.readable(["<s>", "K", "S", "</s>"]) == ["", "K", " S", ""]
    assert tokenizer.unknown_characters("K k EH k") == ["k", "EH"]
    assert train_symbol_tokenizer(TEXTS, 6).get_vocabulary()[4:] == ["AA1", "K"]


def test_names_of_special_tokens_are_no_symbols():
    tokenizer = train_symbol_tokenizer(["a <s> b"])
    assert tokenizer.get_vocabulary()[4:] == ["a", "b"]
    assert tokenizer.encode(["a <s>"]) == [[4, 1]]
    for entry in ("<s>", "a b", "", " a", "e\u0301", None):
        with pytest.raises(ValueError, match="a string without white space"):
            SymbolTokenizer(["a", entry])
    with pytest.raises(ValueError, match="at least one text"):
        train_symbol_tokenizer([" ", "</s>"])


def test_tensors_have_the_same_ids_and_texts():
    tf = pytest.importorskip("tensorflow")
    tokenizer = SymbolTokenizer(["S", "K", "AA1"])
    texts = ["K AA1 x", "", "S"]
    (found,) = tf.data.Dataset.from_tensor_slices(texts).batch(3).map(tokenizer)
    assert found.to_list() == tokenizer.encode(texts) == tokenizer(texts)
    assert tokenizer(tf.constant("S S")).numpy().tolist() == [4, 4]
    assert tokenizer.detokenize(found).numpy().tolist() == ["K AA1 \ufffd".encode(), b"", b"S"]


def test_assets_and_config_restore_the_tokenizer(tmp_path):
    tokenizer = train_symbol_tokenizer(TEXTS).with_config_file("source_tokenizer.json")
    tokenizer.save_assets(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["symbols.json"]
    again = SymbolTokenizer.from_config(tokenizer.get_config())
    again.load_assets(tmp_path)
    assert again.get_vocabulary() == tokenizer.get_vocabulary()
    assert again.config_file == "source_tokenizer.json"
