"""Scores and word alignments of given pairs of texts."""

import json

import numpy as np
import pytest

import zoo
from tests.models.test_ensemble import tiny
from tests.models.test_seq2seq_lm import SOURCES, make, make_preprocessor
from zoo.cli import main
from zoo.decoding.hypotheses import length_penalty
from zoo.models.generation import SearchOptions
from zoo.models.seq2seq_lm import Ensemble, Seq2SeqLM, writing
from zoo.models.seq2seq_lm.aligning import WordAlignment, align_words
from zoo.presets import save

CANDIDATES = [["b a", "c", ""], ["d"], ["a b c d", "a a"]]
TEXTS = ["a b", "c", "d d a"]


@pytest.mark.parametrize("attention", ["bahdanau", "transformer"])
def test_candidates_are_ranked_by_the_score_of_the_search(attention):
    model = tiny(attention, 0)
    answers = model.rescore(TEXTS, CANDIDATES, length_penalty=0.7)
    end = model.preprocessor.tokenizer.end_token_id
    for text, some, answer in zip(TEXTS, CANDIDATES, answers, strict=True):
        inputs, expected = model._collate(model._encode([text]), 16), {}
        for one in some:
            (ids,) = model.preprocessor.tokenizer.encode([one])
            total = model.log_probabilities(inputs, [*ids, end]).sum()
            penalty = float(np.asarray(length_penalty(np.array([len(ids) + 1]), 0.7))[0])
            expected[one] = (total / penalty, total)
        ranked = sorted(some, key=lambda one: expected[one][0], reverse=True)
        assert [it.text for it in answer.hypotheses] == ranked
        for it in answer.hypotheses:
            assert (it.score, it.log_probability) == pytest.approx(expected[it.text], abs=1e-3)


@pytest.mark.once
def test_what_was_found_has_the_score_that_the_search_gave_it():
    for model in (tiny("bahdanau", 0), Ensemble([tiny("bahdanau", 0), tiny("transformer", 3)])):
        penalties = {"length_penalty": 0.6, "coverage_penalty": 0.2}
        inputs = model._collate(model._encode(["a b c"]), 16)
        found = model.search(SearchOptions(n_best=4, max_length=6, **penalties))(*inputs)
        repeated = [np.repeat(one, 4, axis=0) for one in inputs]
        again = model.scorer(SearchOptions(**penalties))(found.tokens[0], *repeated)
        np.testing.assert_allclose(again.scores[:, 0], found.scores[0], atol=1e-3)
        assert (again.lengths[:, 0] == found.lengths[0]).all()


@pytest.mark.once
def test_a_search_without_a_length_penalty_has_that_of_the_model(tmp_path):
    model, other = tiny("bahdanau", 0), tiny("transformer", 3)
    by_default = [model.infer(TEXTS, length_penalty=1, n_best=3), model.rescore(TEXTS, CANDIDATES)]
    assert by_default[0] == model.infer(TEXTS, n_best=3)
    expected = [
        model.infer(TEXTS, length_penalty=2.5, n_best=3),
        model.rescore(TEXTS, CANDIDATES, length_penalty=2.5),
    ]
    model.length_penalty, other.length_penalty = 2.5, 0.5
    assert Ensemble([model, other]).length_penalty == 1.5
    save(model, tmp_path / "tuned", name="tuned", dataset="d")
    again = zoo.load(tmp_path / "tuned")
    assert again.length_penalty == 2.5
    for one in (model, again):
        found = [one.infer(TEXTS, n_best=3), one.rescore(TEXTS, CANDIDATES)]
        for answers, wanted, earlier in zip(found, expected, by_default, strict=True):
            for answer, want, before in zip(answers, wanted, earlier, strict=True):
                scores = [it.score for it in answer.hypotheses]
                assert scores == pytest.approx([it.score for it in want.hypotheses], abs=1e-2)
                assert scores != pytest.approx([it.score for it in before.hypotheses], abs=1e-2)
    assert len(model.infer(TEXTS, temperature=1, seed=1)) == 3  # has no length penalty
    with pytest.raises(ValueError, match="`length_penalty` must be"):
        Seq2SeqLM(model.backbone, model.preprocessor, length_penalty=-1)


@pytest.mark.once
def test_wrong_pairs_are_refused():
    model, blind = tiny("bahdanau", 0), tiny("none", 0)
    for candidates, message in (
        ([["a"]], r"a list for each source.*Received: 2 sources, lists of \[1\]"),
        ([["a"], []], r"at least one text.*lists of \[1, 0\]"),
    ):
        with pytest.raises(ValueError, match=message):
            model.rescore(["a", "b"], candidates)
    with pytest.raises(TypeError, match="in a list"):
        model.rescore(["a"], ["a"])
    with pytest.raises(ValueError, match="coverage_penalty=1"):
        blind.rescore(["a"], [["a"]], coverage_penalty=1)
    with pytest.raises(ValueError, match="length_penalty=-1"):
        model.rescore(["a"], [["a"]], length_penalty=-1)
    with pytest.raises(ValueError, match="Received: 1 sources, 2 targets"):
        model.align(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="aligned by attention.*attention='none'"):
        blind.align(["a"], ["b"])


@pytest.mark.once
def test_each_target_word_has_the_source_word_with_the_most_attention():
    source, target = ["a", "b", " c", " ", "d"], ["x", " y", "z", ""]
    weights = np.array(
        [[0.3, 0.3, 0.4, 0.0, 0.0], [0.0, 0.0, 0.8, 0.1, 0.1], [0.0, 0.0, 0.2, 0.0, 0.9]] * 2
    )
    found = align_words(source, target, weights)
    assert found == WordAlignment(["ab", "c", "d"], ["x", "yz"], [(0, 0), (1, 1)])
    assert found.pharaoh == "0-0 1-1"
    assert align_words(source, [], weights) == WordAlignment(["ab", "c", "d"], [], [])
    assert align_words([], target, weights).links == []
    assert align_words(["ab cd"], ["x y"], weights).target == ["x", "y"]


@pytest.mark.once
@pytest.mark.parametrize("variant", ["bahdanau", "transformer"])
def test_alignments_are_of_the_attention_that_explanations_show(variant):
    model = make(make_preprocessor(), variant)
    texts = [*SOURCES, ""]
    targets = [answer.text for answer in model.infer(texts, max_length=8)]
    targets[0] = "drei zwei eins"
    for text, target, found in zip(texts, targets, model.align(texts, targets), strict=True):
        assert found.source == text.split() and found.target == target.split()
        assert [place for _, place in found.links] == list(range(len(found.target) if text else 0))
    inputs = model._collate(model._encode(texts[:1]), 16)
    (ids,) = model.preprocessor.tokenizer.encode(targets[:1])
    weights = model.attention_weights(inputs, [*ids, 3])
    expected = align_words(
        model.preprocessor.tokenizer.pieces(texts[0]),
        model.preprocessor.tokenizer.pieces(targets[0]),
        weights,
    )
    assert model.align(texts[:1], targets[:1]) == [expected]


@pytest.mark.once
def test_words_that_were_not_read_have_no_links(monkeypatch):
    model = make(make_preprocessor(), "bahdanau")
    weights = np.zeros((1, 32, 32), "float32")
    weights[:, :, 5], weights[:, :, 23] = 0.1, 0.9  # the end token follows 23 tokens
    monkeypatch.setattr(writing, "predict", lambda *_: {"attention": weights})
    with pytest.warns(UserWarning, match="maximum of 23 tokens and were truncated"):
        (found,) = model.align(["one two three " * 9], ["drei zwei"])
    assert len(found.source) == 27 and found.links == [(5, 0), (5, 1)]


@pytest.mark.once
def test_alignments_on_the_command_line(tmp_path, capsys):
    model = make(make_preprocessor(), "bahdanau")
    save(model, tmp_path / "it", name="it", dataset="d", languages=["en", "de"])
    assert main(["infer", str(tmp_path / "it"), "one two three", "", "--align"]) == 0
    first, empty = capsys.readouterr().out.splitlines()
    text, _, links, source = first.split("\t")
    assert source == "one two three" and len(links.split()) == len(text.split())
    assert empty.split("\t")[2] == "–"
    assert main(["infer", str(tmp_path / "it"), "one two three", "--align", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    alignment = answer["alignment"]
    assert alignment["source"] == ["one", "two", "three"]
    assert " ".join(f"{one}-{other}" for one, other in alignment["links"]) == links
    assert main(["infer", "bilstm_bahdanau_sst2_en", "a", "--align"]) == 2
    assert "--glossary and --align are for models" in capsys.readouterr().err
