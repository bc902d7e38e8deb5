"""Ensembles: the mean of the probabilities of several models, against every sequence."""

import itertools

import numpy as np
import pytest

import zoo
from tests.models import test_image_to_text
from tests.models.test_seq2seq_lm import make, make_preprocessor
from tests.weights import assign_normal
from zoo.cli import main
from zoo.models import (
    ImageToText,
    ImageToTextBackbone,
    ImageToTextPreprocessor,
    Seq2SeqLM,
    Seq2SeqLMBackbone,
    Seq2SeqLMPreprocessor,
)
from zoo.models.image_to_text import CaptionEnsemble
from zoo.models.seq2seq_lm import Ensemble
from zoo.presets import PresetError, members_of, save
from zoo.search_options import SearchOptions
from zoo.tokenizers import train_character_tokenizer

LENGTH = 2


def tiny(attention, seed, longest=8, **options):
    """A model of nine tokens, so that every sequence can be counted."""
    preprocessor = Seq2SeqLMPreprocessor(train_character_tokenizer(["a b c d"]), longest, 8)
    options = {"embedding_dim": 4, "units": 4, "num_heads": 2, "attention": attention} | options
    backbone = Seq2SeqLMBackbone(preprocessor.tokenizer.vocabulary_size(), **options)
    model = Seq2SeqLM(backbone, preprocessor, languages=("en", "de"))
    weights = sorted(model.trainable_weights, key=lambda it: it.path)
    assign_normal(weights[seed:] + weights[:seed], scale=2.0)
    return model


@pytest.fixture(scope="module")
def ensemble():
    return Ensemble([tiny("bahdanau", 0), tiny("transformer", 3), tiny("none", 1)])


def probabilities(ensemble, inputs, tokens):
    """The mean of the members' probabilities of each token of a sequence."""
    members = [it.log_probabilities(inputs, tokens)[0] for it in ensemble.members()]
    return np.exp(members).mean(axis=0)


def test_a_wide_beam_finds_the_best_by_the_mean_of_the_probabilities(ensemble):
    tokenizer = ensemble.preprocessor.tokenizer
    end, size = tokenizer.end_token_id, tokenizer.vocabulary_size()
    others = [token for token in range(size) if token != end]
    sequences = [
        [*body, end][:LENGTH]
        for length in range(LENGTH + 1)
        for body in itertools.product(others, repeat=length)
    ]
    inputs = ensemble._collate(ensemble._encode(["a b"]), 16)
    scores = []
    for ids in sequences:
        total = np.log(probabilities(ensemble, inputs, ids)).sum()
        scores.append(total / (5 + len(ids)) * 6)
    best = np.argsort(scores)[::-1][:3]
    (answer,) = ensemble.infer(["a b"], beam=size, n_best=3, max_length=LENGTH)
    found = [hypothesis.text for hypothesis in answer.hypotheses]
    assert found == [ensemble.text(sequences[i]) for i in best]
    np.testing.assert_allclose(
        [it.score for it in answer.hypotheses], [scores[i] for i in best], atol=1e-3
    )


@pytest.mark.once
def test_one_model_twice_is_the_model_alone():
    model = tiny("bahdanau", 0)
    twice = Ensemble([model, model])
    options = {"beam": 3, "n_best": 3, "coverage_penalty": 0.2}
    alone, together = (it.infer(["a b c"], **options)[0] for it in (model, twice))
    for one, other in zip(alone.hypotheses, together.hypotheses, strict=True):
        assert one.text == other.text and one.score == pytest.approx(other.score, abs=1e-4)
    columns = {"source": ["a b", "c"], "target": ["b a", "d"]}
    assert twice.score(columns) == pytest.approx(model.score(columns), abs=1e-4)


@pytest.mark.once
def test_scores_are_of_the_mean_of_the_probabilities(ensemble):
    columns = {"source": ["a b", "c"], "target": ["b a", "d"]}
    losses = []
    for source, target in zip(*columns.values(), strict=True):
        inputs = ensemble._collate(ensemble._encode([source]), 16)
        (ids,) = ensemble.preprocessor.encode_target([target])
        losses += list(-np.log(probabilities(ensemble, inputs, ids)))
    assert ensemble.score(columns)["loss"] == pytest.approx(np.mean(losses), abs=1e-4)


@pytest.mark.once
def test_the_order_of_members_does_not_count_where_texts_are_truncated():
    members = [tiny("bahdanau", 0), tiny("bahdanau", 3, longest=5)]
    columns = {"source": ["a bcd"], "target": ["b a"]}
    for ordered in (members, members[::-1]):
        together = Ensemble(ordered)
        with pytest.warns(UserWarning, match="maximum of 4 tokens"):
            (answer,) = together.infer(columns["source"])
        (short,) = together.infer(["a bc"])
        assert answer.text == short.text and answer.score == pytest.approx(short.score, abs=1e-4)
        loss = together._loss(columns, 64)
        assert loss == pytest.approx(together._loss(columns | {"source": ["a bc"]}, 64), abs=1e-4)


@pytest.mark.once
def test_members_must_fit_each_other(ensemble):
    first = ensemble.members()[0]
    with pytest.raises(ValueError, match=r"at least two models.*Received: \['Seq2SeqLM'\]"):
        Ensemble([first])
    with pytest.raises(ValueError, match="same vocabulary.*[0-9]+ tokens in the first, .* same in"):
        Ensemble([first, make(make_preprocessor(), "none")])
    other = tiny("none", 0)
    other.languages = ("de", "en")
    with pytest.raises(ValueError, match="same languages.*'de'.*in number 2"):
        Ensemble([first, other])
    with pytest.raises(ValueError, match="`coverage_penalty` needs a model with attention"):
        ensemble.infer(["a"], coverage_penalty=0.1)


@pytest.mark.once
def test_presets_are_joined_by_a_plus(tmp_path, capsys):
    models = [make(make_preprocessor(), variant) for variant in ("bahdanau", "transformer")]
    for name, model in zip(("one", "two"), models, strict=True):
        save(model, tmp_path / name, name=name, dataset="d", languages=["en", "de"])
    source = f"{tmp_path / 'one'}+{tmp_path / 'two'}"
    loaded = zoo.load(source)
    assert [it.backbone.attention for it in loaded.members()] == ["bahdanau", "transformer"]
    assert main(["infer", source, "one two"]) == 0
    assert capsys.readouterr().out.startswith(f"{loaded.infer(['one two'])[0].text}\t")
    assert main(["explain", source, "one two"]) == 2
    assert "An ensemble answers `zoo infer` and `zoo eval` alone" in capsys.readouterr().err
    mixed = f"{tmp_path / 'one'}+bilstm_bahdanau_sst2_en"
    assert main(["infer", mixed, "one"]) == 2
    assert "models of one task that write a text for a text, an image or" in capsys.readouterr().err
    with pytest.raises(ValueError, match="bilstm_bahdanau_sst2_en, a text_classifier"):
        zoo.load(mixed)
    with pytest.raises(PresetError, match=r"a model on each side of a `\+`"):
        members_of("one+")


@pytest.mark.once
def test_captioners_with_cnns_of_their_own_write_one_caption():
    preprocessor = test_image_to_text.make_preprocessor()
    larger = ImageToTextPreprocessor(preprocessor.tokenizer, (48, 48), 20)
    members = [
        test_image_to_text.make(preprocessor, "bahdanau"),
        ImageToText(
            ImageToTextBackbone(
                preprocessor.tokenizer.vocabulary_size(),
                (48, 48),
                attention="transformer",
                embedding_dim=8,
                units=8,
                widths=(4, 8),
                num_heads=2,
            ),
            larger,
        ),
    ]
    ensemble, pictures = CaptionEnsemble(members), list(test_image_to_text.PICTURES)
    assert ensemble.preprocessor.sequence_length == 20
    grids = ensemble._grids(pictures[:1])
    assert grids[0].shape != grids[1].shape
    found = ensemble.search(SearchOptions(beam=3, n_best=2))(*grids)
    for n in range(2):
        ids = found.tokens[0, n, : found.lengths[0, n]]
        each = [
            it.log_probabilities((grid,), ids)[0] for it, grid in zip(members, grids, strict=True)
        ]
        expected = np.log(np.exp(each).mean(axis=0)).sum()
        assert found.log_probabilities[0, n] == pytest.approx(expected, abs=1e-3)
    answers = ensemble.infer(pictures, beam=3, n_best=2, batch_size=3)
    assert answers[0].text == ensemble.text(found.tokens[0, 0])
    assert len(answers) == len(pictures)
    both = CaptionEnsemble([members[0]] * 2).infer(pictures)
    for one, same in zip(members[0].infer(pictures), both, strict=True):
        assert same.text == one.text and same.score == pytest.approx(one.score, abs=1e-4)
    columns = {"image": pictures, "captions": [["a dog"]] * len(pictures)}
    assert "bleu_4" in ensemble.score(columns, max_length=6)
    with pytest.raises(ValueError, match="`coverage_penalty` needs a model with attention"):
        ensemble.infer(pictures, coverage_penalty=0.1)


@pytest.mark.once
def test_captioners_with_other_vocabularies_are_refused():
    one = test_image_to_text.make(test_image_to_text.make_preprocessor())
    tokenizer = train_character_tokenizer(["a dog"])
    other = test_image_to_text.make(ImageToTextPreprocessor(tokenizer, test_image_to_text.SIZE, 8))
    with pytest.raises(ValueError, match="the same vocabulary.*in number 2"):
        CaptionEnsemble([one, other])
    with pytest.raises(ValueError, match="at least two models that write a text for an image"):
        CaptionEnsemble([one])
