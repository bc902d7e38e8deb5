"""Search and drawing of transcripts by every head, alone and together, against every text."""

import functools
import itertools

import numpy as np
import pytest

from tests.models import test_causal_lm
from tests.models.test_speech_to_text import RECORDINGS, VARIANTS, make
from zoo.audio import wav_bytes
from zoo.cli import main
from zoo.decoding import ctc
from zoo.models import CausalLMPreprocessor, SpeechToText, SpeechToTextPreprocessor
from zoo.models.generation.teacher_forcing import token_losses
from zoo.models.speech_to_text import TranscriptEnsemble
from zoo.presets import PresetError, save
from zoo.search_options import TranscriptionOptions
from zoo.tokenizers import CharacterTokenizer, train_spaced_word_tokenizer

LETTERS = range(4, 8)
SHORT = RECORDINGS[3]  # 4 or 5 steps, so that all texts can be listed
GROUPS = {
    "ctc": ("ctc",),
    "joint": ("joint",),
    "two frame rates": ("ctc", "ctc, gru"),
    "two decoders": ("bahdanau", "joint"),
    "all": ("ctc", "bahdanau", "joint"),
}
LONG = {"max_length": 60}
FUSED = [("ctc", "transformer", None), ("two decoders", "lstm", None), ("ctc", "lstm", "\n")]


@functools.cache
def group(name):
    """A model, or an ensemble; its members are made once."""
    members = [member(variant) for variant in GROUPS[name]]
    return members[0] if len(members) == 1 else TranscriptEnsemble(members)


@functools.cache
def member(variant):
    return make(variant)


@functools.cache
def texts_by_ctc(variant):
    """The probability by CTC of each text that the short recording may have."""
    (steps,) = member(variant).ctc_log_probabilities([SHORT])
    return {
        labels: np.exp(ctc.labels_log_probability(steps, labels))
        for length in range(len(steps) + 1)
        for labels in itertools.product(LETTERS, repeat=length)
    }


def next_by_ctc(variant, labels):
    """The probability of each label, and of the end, after those before it."""
    every = texts_by_ctc(variant)
    begun = [
        sum(p for one, p in every.items() if one[:count] == labels[:count])
        for count in range(len(labels) + 1)
    ]
    begun.append(every[labels])
    return np.array(begun[1:]) / np.array(begun[:-1])


def expected_score(model, inputs, labels, share=None):
    """The score of a text by the members' own probabilities."""
    ids = [*labels, model.preprocessor.tokenizer.end_token_id]
    decoders = [it for it in model.members() if it.has_decoder]
    variants = [
        name
        for it in model.members()
        for name in VARIANTS
        if it.ctc is not None and it is member(name)
    ]
    if share is None:
        weights = [0.3 * (it.ctc is not None) if it.has_decoder else 1 for it in model.members()]
        share = np.mean(weights)
    total = 0.0
    if decoders:
        each = [np.exp(it.log_probabilities(inputs, ids)[0]) for it in decoders]
        total += (1 - share) * np.log(np.mean(each, axis=0)).sum()
    if variants:
        each = [next_by_ctc(name, labels) for name in variants]
        total += share * np.log(np.mean(each, axis=0)).sum()
    return total


@functools.cache
def language_model(decoder="lstm", start=None):
    """A language model whose alphabet has more characters, in another order."""
    preprocessor = CausalLMPreprocessor(CharacterTokenizer("dcb a\n"), 64, start=start)
    return test_causal_lm.make(decoder, preprocessor)


def by_language_model(model, text):
    """The log-probability of a text with its end."""
    tokenizer, border = model.preprocessor.tokenizer, model.preprocessor.start_token_id
    ids = np.array([[border, *tokenizer.encode([text])[0], border]])
    logits = test_causal_lm.logits(model, ids[:, :-1], np.ones(ids[:, :-1].shape, bool))[0]
    return -token_losses(logits, ids[0, 1:]).sum()


@pytest.mark.once
@pytest.mark.parametrize("name", GROUPS)
def test_a_wide_beam_finds_every_text_with_the_scores_of_the_members(name):
    model = group(name)
    inputs, tokenizer = model._collate([SHORT], 64), model.preprocessor.tokenizer
    options = TranscriptionOptions(beam=100, n_best=100, max_length=3)
    found = model.search(options)(*inputs)
    every = {
        labels: expected_score(model, inputs, labels)
        for length in range(3)
        for labels in itertools.product(LETTERS, repeat=length)
    }
    assert (np.diff(found.scores[0, : found.counts[0]]) <= 1e-6).all()
    for n in range(found.counts[0]):
        labels = tuple(model._written(found.tokens[0, n]))
        if found.tokens[0, n, found.lengths[0, n] - 1] == tokenizer.end_token_id:
            assert found.scores[0, n] == pytest.approx(every.pop(labels), abs=2e-3)
    assert not every


@pytest.mark.once
@pytest.mark.parametrize("name, decoder, start", [("all", "lstm", None), *FUSED])
def test_a_language_model_adds_its_log_probability(name, decoder, start):
    model, its = group(name), language_model(decoder, start)
    options = {"language_model": its, "language_model_weight": 0.7, "max_length": 3}
    if name == "all":
        options |= {"ctc_weight": 0.1}
    inputs = model._collate([SHORT], 64)
    found = model.search(TranscriptionOptions(beam=100, n_best=8, **options))(*inputs)
    for n in range(8):
        labels = tuple(model._written(found.tokens[0, n]))
        if len(labels) < 3:
            score = expected_score(model, inputs, labels, options.get("ctc_weight"))
            text = model.preprocessor.tokenizer.detokenize(labels) if labels else ""
            score += 0.7 * by_language_model(its, text)
            assert found.scores[0, n] == pytest.approx(score, abs=2e-3)
    (answer,) = model.infer([SHORT], beam=100, n_best=8, **options)
    assert answer.score == pytest.approx(float(found.scores[0, 0]), abs=1e-4)


@pytest.mark.once
def test_language_models_must_fit(tmp_path):
    model = group("ctc")
    foreign = test_causal_lm.make()  # of other texts
    words = CausalLMPreprocessor(train_spaced_word_tokenizer(["a b c"]))
    backward = CausalLMPreprocessor(CharacterTokenizer("dcb a"), backward=True)
    for its, kind, message in (
        (foreign, ValueError, "every character that the recogniser writes.*one without"),
        (test_causal_lm.make("lstm", words), ValueError, "must predict characters.*a SpacedWord"),
        (test_causal_lm.make("lstm", backward), ValueError, "from their start.*backward=True"),
        (member("joint"), ValueError, "must be a language model.*a SpeechToText"),
        ("nowhere", PresetError, "nowhere"),
    ):
        with pytest.raises(kind, match=message):
            model.infer([SHORT], language_model=its)
    with pytest.raises(ValueError, match="a position for each token.*max_length=65"):
        model.infer([SHORT], language_model=language_model("transformer"), max_length=65)
    for wrong in (["a"], [], 3):
        with pytest.raises(ValueError, match="must be a `CausalLM`.*Received: language_model="):
            model.infer([SHORT], language_model=wrong)
    assert TranscriptionOptions(language_model=None) == TranscriptionOptions()
    with pytest.raises(ValueError, match="needs a `language_model`.*language_model_weight=0.1"):
        model.infer([SHORT], language_model_weight=0.1)
    with pytest.raises(
        ValueError, match="`ctc_weight` is for models with a decoder and CTC.*'ctc'"
    ):
        model.infer([SHORT], ctc_weight=0.1)
    save(language_model(), tmp_path / "it", name="it", dataset="d", dtype="float32")
    named, given = (
        model.infer([SHORT], language_model=its) for its in (str(tmp_path / "it"), language_model())
    )
    assert named[0].text == given[0].text
    assert named[0].score == pytest.approx(given[0].score, abs=1e-4)


def test_ctc_draws_each_text_with_its_probability():
    model, count = group("ctc"), 1000
    options = TranscriptionOptions(temperature=1.0, n_best=256, seed=1)
    expected = texts_by_ctc("ctc")
    found = [model.search(options)(*model._collate([SHORT], 64), rows=[row]) for row in range(4)]
    drawn = [tuple(model._written(ids)) for one in found for ids in one.tokens[0]][:count]
    logarithms = np.concatenate([one.log_probabilities[0] for one in found])[:count]
    np.testing.assert_allclose(np.exp(logarithms), [expected[it] for it in drawn], rtol=2e-3)
    for labels in set(drawn) | {max(expected, key=expected.__getitem__)}:
        probability = expected[labels]
        deviation = np.sqrt(probability * (1 - probability) / count)
        assert abs(drawn.count(labels) / count - probability) < 4.5 * deviation + 1e-3


@pytest.mark.once
@pytest.mark.parametrize("name", ["ctc", "all"])
def test_limits_seeds_and_groups_hold(name):
    model = group(name)
    options = {"temperature": 1.0, "seed": 5, "n_best": 3}
    answers = model.infer(RECORDINGS, **options)
    again = model.infer(RECORDINGS, batch_size=1, **options)
    for one, other in zip(answers, again, strict=True):
        assert one.text == other.text and one.words == other.words
        scores = [it.score for it in one.hypotheses]
        assert scores == sorted(scores, reverse=True) and len(scores) == 3
        assert [word.text for word in one.words] == one.text.split()
    (listed,) = model.infer(RECORDINGS[:1], words=["ab", "cab"], **options | {"n_best": 9})
    assert all(set(it.text.split()) <= {"ab", "cab"} for it in listed.hypotheses)
    limits = {"prefix": "ca", "forbidden": "b"}
    for more in ({"beam": 4, "n_best": 2}, {"temperature": 2.0, "n_best": 9, "seed": 1}):
        (limited,) = model.infer(RECORDINGS[:1], **limits, **more)
        for it in limited.hypotheses:
            assert it.text.startswith("ca") and "b" not in it.text
    (diverse,) = model.infer(RECORDINGS[:1], beam=6, n_best=3, groups=3, diversity=2.0)
    texts = [it.text for it in diverse.hypotheses]
    assert len(set(texts)) == len(texts)


@pytest.mark.once
@pytest.mark.parametrize("name", ["ctc", "two frame rates"])
def test_texts_by_ctc_are_as_long_as_the_recording(name):
    model = group(name)  # whose preprocessors would have at most 12 tokens
    recording = np.tile(RECORDINGS[0], 2)
    options = {"length_penalty": 1.0, "min_length": 16}
    found, fixed = (model.infer([recording], **options, **it)[0].text for it in ({}, LONG))
    assert found == fixed
    limit = [it.default_max_length(*it._collate([SHORT], 64)) for it in (model, member("joint"))]
    assert limit == [23 if "frame" in name else 17, 12]
    # Others beside a recording do not change its limit, and so not the numbers of its draws.
    options = {"temperature": 1.0, "seed": 1, "n_best": 2}
    (alone,) = model.infer([SHORT], **options)
    assert model.infer([SHORT, recording], **options)[0].hypotheses == alone.hypotheses


@pytest.mark.once
def test_impossible_drawn_texts_are_named_by_their_options():
    options = {"temperature": 1.0, "seed": 1, "min_length": 20, "mbr": 2}  # of fewer steps
    with pytest.raises(
        ValueError, match="larger `n_best`, `mbr` or `max_length`.*number [12]$"
    ) as it:
        member("ctc").infer(RECORDINGS[:2], **options)
    assert "beam" not in str(it.value)


@pytest.mark.once
@pytest.mark.parametrize("name", ["joint", "two decoders"])
def test_a_given_transcript_is_explained(name):
    model = group(name)
    found = model.explain(RECORDINGS[0], "ab c")
    assert found.text == "ab c" and [it[0] for it in found.words] == ["ab", "c"]
    (own,) = model.infer(RECORDINGS[:1])
    assert model.explain(RECORDINGS[0], own.text).words == model.explain(RECORDINGS[0]).words
    with pytest.raises(ValueError, match="`text` must have characters.*text='x'"):
        model.explain(RECORDINGS[0], "x")


@pytest.mark.once
def test_minimum_bayes_risk_has_the_fewest_word_errors():
    model = group("joint")
    options = {"temperature": 1.5, "seed": 3, "min_length": 3}
    (drawn,) = model.infer(RECORDINGS[:1], n_best=8, **options)
    (best,) = model.infer(RECORDINGS[:1], mbr=8, n_best=2, **options)
    texts = [it.text for it in drawn.hypotheses]

    def errors(one, other):
        one, other = one.split(), other.split()
        table = np.arange(len(other) + 1)
        for i, word in enumerate(one):
            row = [i + 1]
            for j, same in enumerate(other):
                row.append(min(row[-1] + 1, table[j + 1] + 1, table[j] + (word != same)))
            table = np.array(row)
        return table[-1]

    risks = {one: -sum(errors(one, other) for other in texts) / 7 for one in texts}
    assert [it.score for it in best.hypotheses] == pytest.approx(sorted(risks.values())[::-1][:2])
    assert best.score == pytest.approx(risks[best.text])
    assert [word.text for word in best.words] == best.text.split()


@pytest.mark.parametrize("name", ["ctc", pytest.param("all", marks=pytest.mark.once)])
def test_candidates_are_ranked_by_the_score_of_the_search(name):
    model, candidates = group(name), ["ab", "", "ca", "a b"]
    answers = model.rescore([SHORT, RECORDINGS[1]], [candidates, ["a", "aaa"]])
    inputs, tokenizer = model._collate([SHORT], 64), model.preprocessor.tokenizer
    expected = {
        text: expected_score(model, inputs, tuple(tokenizer.encode([text])[0]))
        for text in candidates
    }
    ranked = sorted(candidates, key=expected.__getitem__, reverse=True)
    assert [it.text for it in answers[0].hypotheses] == ranked
    for it in answers[0].hypotheses:
        assert it.score == pytest.approx(expected[it.text], abs=2e-3)
    assert [word.text for word in answers[0].words] == answers[0].text.split()
    assert answers[1].text == "a" and answers[1].hypotheses[1].score == -np.inf  # two steps


@pytest.mark.once
def test_wrong_candidates_are_refused():
    model = group("ctc")
    with pytest.raises(ValueError, match=r"a list for each recording.*2 recordings, lists of \[1"):
        model.rescore(RECORDINGS[:2], [["a"]])
    with pytest.raises(ValueError, match="`candidates` must have characters.*candidates='x'"):
        model.rescore(RECORDINGS[:1], [["x"]])
    assert model.rescore([], []) == []


@pytest.mark.once
@pytest.mark.parametrize("variant", ["ctc", "joint"])
def test_one_model_twice_is_the_model_alone(variant):
    model = member(variant)
    twice = TranscriptEnsemble([model, model])
    options = {"beam": 8, "max_length": 6}  # by characters, not by frames
    for one, same in zip(
        model.infer(RECORDINGS, **options), twice.infer(RECORDINGS, **options), strict=True
    ):
        assert same.text == one.text and same.score == pytest.approx(one.score, abs=1e-3)
        assert same.words == one.words
    columns = {"audio": RECORDINGS, "text": ["ab", "a", "c", "b"]}
    alone = model.score(columns, **options)
    assert twice.score(columns, **options) == {it: alone[it] for it in ("wer", "cer", "exact")}
    found, own = twice.explain(SHORT), model.explain(SHORT)
    assert found.text == own.text and found.features.shape == own.features.shape


@pytest.mark.once
def test_recognisers_must_fit_each_other():
    first = member("ctc")
    tokenizer = first.preprocessor.tokenizer
    listed = SpeechToText(first.backbone, SpeechToTextPreprocessor(tokenizer, words=["ab"]))
    other = SpeechToTextPreprocessor(CharacterTokenizer(" abd"))
    faster = SpeechToTextPreprocessor(tokenizer, sampling_rate=16000)
    for preprocessor, message in (
        (listed.preprocessor, r"the same list of words.*Received: \[\] in the first, \['ab'\] in"),
        (other, "the same alphabet.*8 tokens in the first, 8 tokens, of which 7 are the same"),
        (faster, "the same sampling rate.*8000 in the first, 16000 in number 2"),
    ):
        with pytest.raises(ValueError, match=message):
            TranscriptEnsemble([first, SpeechToText(first.backbone, preprocessor)])
    with pytest.raises(ValueError, match="is for one recogniser.*Received: coverage_penalty=0.1$"):
        group("two decoders").infer(RECORDINGS, coverage_penalty=0.1)
    with pytest.raises(ValueError, match="`glossary` needs texts as inputs"):
        first.infer(RECORDINGS, glossary="a=b")


@pytest.mark.once
def test_commands_take_several_recognisers(tmp_path, capsys):
    for name, variant in (("one", "ctc"), ("two", "joint")):
        save(member(variant), tmp_path / name, name=name, dataset="d", dtype="float32")
    file, table = tmp_path / "it.wav", tmp_path / "table.csv"
    file.write_bytes(wav_bytes(RECORDINGS[0], 8000))
    table.write_text("audio,text\nit.wav,ab c\n", "utf-8")
    source = f"{tmp_path / 'one'}+{tmp_path / 'two'}"
    together = TranscriptEnsemble([member("ctc"), member("joint")])
    (answer,) = together.infer([str(file)], beam=3, prefix="c")
    page, search = tmp_path / "page.html", ["--set", "beam=3", "--set", "prefix=c"]
    assert main(["infer", source, str(file), *search, "--html", str(page)]) == 0
    assert capsys.readouterr().out.startswith(f"{answer.text}\t") and page.stat().st_size > 1000
    drawing = ["--set", "temperature=1", "--set", "mbr=4", "--set", "seed=1"]
    assert main(["eval", source, "--dataset", str(table), *drawing]) == 0
    assert "wer" in capsys.readouterr().out
