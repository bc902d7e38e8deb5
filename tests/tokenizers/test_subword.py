import unicodedata

import keras
import numpy as np
import pytest

from zoo.tokenizers import SubwordTokenizer, train_subword_tokenizer

TEXTS = ["정말 재미있어요 최고의 영화", "a  good movie ", "bad\tmovie: not worth it"] * 20
STRANGE = [
    "",
    " ",
    "  two  spaces  ",
    "뷁 does not occur",
    "👨‍👩‍👧 emoji",
    "tab\tand\u00a0nbsp",
    "e\u0301",
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_subword_tokenizer(TEXTS, vocabulary_size=400)


@pytest.mark.parametrize("text", [*TEXTS[:3], *STRANGE])
def test_encoding_is_lossless(tokenizer, text):
    ids = tokenizer.encode([text])[0]
    composed = unicodedata.normalize("NFC", text)
    assert "".join(tokenizer.pieces(text)) == composed
    assert len(tokenizer.pieces(text)) == len(ids)
    if text:
        assert tokenizer.detokenize(ids) == composed
        assert tokenizer.unk_token_id not in ids


def test_bytes_after_the_end_of_a_character_begin_another(tokenizer):
    euro = ["<0xE2>", "<0x82>", "<0xAC>"]
    assert tokenizer.readable([*euro, *euro]) == ["€", "", "", "€", "", ""]
    assert tokenizer.readable([euro[-1], *euro]) == ["", "€", "", ""]  # the context of a text
    assert tokenizer.readable([*euro[:2], *euro, "▁a"]) == ["", "", "€", "", "", " a"]


def test_encode_gives_the_ids_of_the_keras_hub_call(tokenizer):
    for text in TEXTS[:3]:
        called = keras.ops.convert_to_numpy(tokenizer(text)).tolist()
        assert tokenizer.encode([text])[0] == called


def test_decomposed_text_is_the_same_text(tokenizer):
    """Korean as macOS writes it: NFD."""
    decomposed = [unicodedata.normalize("NFD", text) for text in TEXTS[:3]]
    assert decomposed[0] != TEXTS[0]
    expected = tokenizer.encode(TEXTS[:3])
    assert tokenizer.encode(decomposed) == expected
    sampled = [tokenizer.encode(texts, 0.2, seed=1) for texts in (TEXTS[:3], decomposed)]
    assert sampled[0] == sampled[1]
    assert tokenizer.pieces(decomposed[0]) == tokenizer.pieces(TEXTS[0])
    for batch in (decomposed, np.array(decomposed)):
        called = tokenizer(batch)
        assert [[int(i) for i in ids] for ids in called] == expected
    tf = pytest.importorskip("tensorflow")
    (batch,) = tf.data.Dataset.from_tensors(decomposed).map(tokenizer)
    assert batch.to_list() == expected
    learned = train_subword_tokenizer(decomposed * 20, 400)
    assert learned.get_vocabulary() == train_subword_tokenizer(TEXTS[:3] * 20, 400).get_vocabulary()


def test_a_tf_dataset_survives_a_change_of_seed(tokenizer):
    tf = pytest.importorskip("tensorflow")
    dataset = tf.data.Dataset.from_tensors(["영화 좋다", "the end"]).map(tokenizer)
    before = [batch.to_list() for batch in dataset]
    keras.utils.set_random_seed(0)  # empties TensorFlow's kernel cache
    assert (
        [batch.to_list() for batch in dataset]
        == before
        == [tokenizer.encode(["영화 좋다", "the end"])]
    )


def test_special_ids_and_size(tokenizer):
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (0, 1)
    assert (tokenizer.start_token_id, tokenizer.end_token_id) == (2, 3)
    assert 260 < tokenizer.vocabulary_size() <= 400


def test_sampling_varies_repeats_by_seed_and_keeps_the_text(tokenizer):
    texts = TEXTS[:3] * 20
    one, same, other = (tokenizer.encode(texts, sampling=0.1, seed=seed) for seed in (7, 7, 8))
    assert one == same != other
    assert one != tokenizer.encode(texts)
    assert {tokenizer.detokenize(ids) for ids in one} == set(TEXTS)


def test_assets_round_trip(tokenizer, tmp_path):
    tokenizer.save_assets(str(tmp_path))
    copy = SubwordTokenizer.from_config(tokenizer.get_config() | {"proto": None})
    copy.load_assets(str(tmp_path))
    assert copy.encode(TEXTS) == tokenizer.encode(TEXTS)


def test_training_is_repeatable():
    first, second = (train_subword_tokenizer(TEXTS, 300) for _ in range(2))
    assert first.get_vocabulary() == second.get_vocabulary()


@pytest.mark.parametrize(
    ("texts", "size", "message"),
    [([], 400, "at least one text"), (["", "  "], 400, "at least one"), (TEXTS, 100, "size=100")],
)
def test_wrong_arguments_are_refused(texts, size, message):
    with pytest.raises(ValueError, match=message):
        train_subword_tokenizer(texts, size)
