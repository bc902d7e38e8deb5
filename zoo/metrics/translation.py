"""Metrics of translations, from sacreBLEU and sacremoses."""

import operator
import warnings
from collections.abc import Sequence
from itertools import pairwise, zip_longest

from zoo.extras import need
from zoo.unicode import compose

# sacreBLEU's tokenizer of each language whose words have no spaces between them, or, in Korean, are
# stems with endings. Its morphological analysers for Japanese and Korean are not used: scores that
# depend on installed packages cannot be compared.
TOKENIZERS = {"zh": "zh", **dict.fromkeys(("bo", "dz", "ja", "km", "ko", "lo", "my", "th"), "char")}
DEFAULT_TOKENIZER = "13a"
# Scripts without spaces between words.
NO_SPACES = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"


def translation_scores(
    references: Sequence[str | Sequence[str]],
    hypotheses: Sequence[str],
    language: str | None = None,
) -> dict[str, float]:
    """Scores of translations, with one or several references each.

    Args:
        references: The reference translation of each hypothesis, not tokenised; or a list of
            several, whose numbers may differ.
        hypotheses: The translations to score, not tokenised.
        language: str. The code of the target language, such as `"de"` or `"zh-TW"`. Chinese is
            tokenised by sacreBLEU's `zh`; Japanese, Korean and languages without spaces between
            words, such as Thai, by characters; other languages by `13a`. Defaults to `None`,
            another language, with the Moses rules of English.

    Returns:
        Corpus scores between 0 and 100: `bleu` (sacreBLEU with its defaults), `chrf`, and
        `bleu_lc_tok`, BLEU as papers on Multi30k report it (lower-cased, with punctuation
        normalised and tokenised by the Moses scripts, or as for `bleu` if there are no spaces
        between words). `exact`, between 0 and 1, is the share of hypotheses that equal their
        reference, or one of them.

    Raises:
        ValueError: if there is nothing to score, a hypothesis has no reference, or references and
            hypotheses differ in number.
        TypeError: if a text is not a string.
    """
    references, hypotheses = checked_texts(references, hypotheses)
    _warn_of_words_without_spaces(references, language)
    prepare = _lower_cased_tokens(language)
    prepared = [
        [[prepare(text) for text in texts] for texts in references],
        [prepare(text) for text in hypotheses],
    ]
    metrics = _metrics(language)
    return {
        "bleu": _score(metrics["bleu"], references, hypotheses),
        "chrf": _score(metrics["chrf"], references, hypotheses),
        "bleu_lc_tok": _score(metrics["bleu_lc_tok"], *prepared),
        "exact": sum(map(operator.contains, references, hypotheses)) / len(references),
    }


def translation_score_each(
    references: Sequence[str | Sequence[str]],
    hypotheses: Sequence[str],
    metric: str = "chrf",
    language: str | None = None,
) -> list[float]:
    """The score of each translation by one metric.

    Args:
        references, hypotheses, language: See `translation_scores`.
        metric: `"chrf"`, or `"bleu"` with exponential smoothing and effective order, which one
            sentence needs. Defaults to `"chrf"`.

    Returns:
        A score between 0 and 100 for each hypothesis.

    Raises:
        ValueError: if the metric is unknown, there is nothing to score, a hypothesis has no
            reference, or references and hypotheses differ in number.
        TypeError: if a text is not a string.
    """
    if metric not in ("bleu", "chrf"):
        raise ValueError(f"`metric` must be bleu or chrf. Received: metric={metric!r}")
    references, hypotheses = checked_texts(references, hypotheses)
    scorer = _metrics(language)[metric]
    if metric == "bleu":
        _warn_of_words_without_spaces(references, language)
        scorer.effective_order = True
    pairs = zip(hypotheses, references, strict=True)
    return [scorer.sentence_score(text, known).score for text, known in pairs]


def signatures(language: str | None = None) -> dict[str, str]:
    """Signatures of the scores, with which they can be reproduced.

    Args:
        language: See `translation_scores`.

    Returns:
        sacreBLEU's signatures of `bleu`, `chrf` and `bleu_lc_tok`. The last also includes the
        preprocessing, named as in the files of Multi30k (`input:lc.norm.tok.de`), and the version
        of sacremoses.
    """
    from importlib.metadata import version

    found = {}
    for name, metric in _metrics(language).items():
        _score(metric, [["a"]], ["a"])  # sets the number of references
        found[name] = str(metric.get_signature())
    steps = "lc.norm.tok" if _has_spaces(language) else "lc.norm"
    found["bleu_lc_tok"] += f"|input:{steps}.{_primary(language) or 'en'}"
    found["bleu_lc_tok"] += f"|sacremoses:{version('sacremoses')}"
    return found


def bleu_by_length(
    references: Sequence[str],
    hypotheses: Sequence[str],
    lengths: Sequence[int],
    edges: Sequence[int] = (10, 15, 20, 30),
    language: str | None = None,
) -> list[tuple[str, int, float]]:
    """BLEU by length of the source sentence.

    Args:
        references: The true translations.
        hypotheses: The translations to score.
        lengths: The number of words of each source.
        edges: The greatest length of each bucket but the last, in rising order.
        language: See `translation_scores`.

    Returns:
        For each bucket that is not empty its label (`"up to 10"`, `"11 to 15"`, …, `"over 30"`),
        the number of its sentences, and their `bleu`.

    Raises:
        ValueError: if there is nothing to score, references, hypotheses and lengths differ in
            number, or the edges do not rise.
        TypeError: if a text is not a string.
    """
    references, hypotheses = checked_texts(references, hypotheses)
    lengths, edges = list(lengths), list(edges)
    if len(lengths) != len(references):
        raise ValueError(
            "Each reference needs the length of its source. "
            f"Received: {len(references)} references, {len(lengths)} lengths"
        )
    if not edges or any(low >= high for low, high in pairwise(edges)):
        raise ValueError(
            "Edges must be whole numbers in rising order, such as (10, 20, 30). "
            f"Received: edges={edges}"
        )
    metric = _metrics(language)["bleu"]
    bounds = [-1, *edges, float("inf")]
    rows = []
    for low, high in pairwise(bounds):
        chosen = [i for i, length in enumerate(lengths) if low < length <= high]
        if chosen:
            bleu = _score(metric, [references[i] for i in chosen], [hypotheses[i] for i in chosen])
            rows.append((bucket_label(low, high), len(chosen), bleu))
    return rows


def bucket_label(low: float, high: float) -> str:
    """The name of the lengths above `low` and up to `high`, such as `"11 to 20"`."""
    if low < 0:
        return f"up to {high}"
    if high == float("inf"):
        return f"over {low}"
    return f"{low + 1} to {high}" if high > low + 1 else f"{high}"


def _metrics(language):
    need("train", "Measuring", "sacrebleu")
    from sacrebleu.metrics import BLEU, CHRF

    tokenizer = TOKENIZERS.get(_primary(language), DEFAULT_TOKENIZER)
    return {
        "bleu": BLEU(tokenize=tokenizer),
        "chrf": CHRF(),
        # `force` suppresses a warning about texts that are tokenised already.
        "bleu_lc_tok": BLEU(
            lowercase=True, tokenize="none" if _has_spaces(language) else tokenizer, force=True
        ),
    }


def _score(metric, references, hypotheses):
    # sacreBLEU wants the first reference of each, then the second of each, None where there is none
    streams = [list(stream) for stream in zip_longest(*references)]
    return float(metric.corpus_score(hypotheses, streams).score)


def _lower_cased_tokens(language):
    """Returns the preprocessing of Multi30k's `lc.norm.tok` files, as a function.

    It lower-cases, normalises punctuation and, where words have spaces between them, tokenises as
    Moses does.
    """
    need("train", "Measuring", "sacremoses")
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    moses = _primary(language) or "en"
    normalizer = MosesPunctNormalizer(moses, perl_parity=True)
    if not _has_spaces(language):
        return lambda text: normalizer.normalize(text.lower())
    tokenizer = MosesTokenizer(moses)
    return lambda text: tokenizer.tokenize(normalizer.normalize(text.lower()), return_str=True)


def _primary(language):
    """The language of a code, such as `"zh"` of `"zh-TW"`."""
    return language and language.lower().replace("_", "-").partition("-")[0]


def _has_spaces(language):
    """True if the words of a language have spaces between them, as far as known."""
    return TOKENIZERS.get(_primary(language)) is None or _primary(language) == "ko"


def _warn_of_words_without_spaces(references, language):
    if _primary(language) in TOKENIZERS:
        return
    import regex

    text = "".join(text for texts in references for text in texts)
    letters = len(regex.findall(r"\p{L}", text))
    if 2 * len(regex.findall(NO_SPACES, text)) > letters > 0:
        warnings.warn(
            "BLEU counts words, and most references are in a script without spaces between words: "
            "name the target language (`languages` of `Seq2SeqLM`; one of "
            f"{', '.join(TOKENIZERS)}), or compare by chrf. Received: language={language!r}",
            stacklevel=3,
        )


def checked_texts(references, hypotheses):
    """The references of each hypothesis as lists, and the hypotheses, in NFC, equally many."""
    both = {"references": references, "hypotheses": hypotheses}
    for name, texts in both.items():
        if isinstance(texts, str):
            raise TypeError(f"Give a list of texts, not a string. Received: {name}={texts!r}")
        both[name] = list(texts)
    references = [
        [texts] if isinstance(texts, str) or not isinstance(texts, Sequence) else list(texts)
        for texts in both["references"]
    ]
    hypotheses = both["hypotheses"]
    for name, rows in (("references", references), ("hypotheses", [[text] for text in hypotheses])):
        for i, row in enumerate(rows):
            for text in row:
                if not isinstance(text, str):
                    raise TypeError(f"Texts must be strings. Received: {name}[{i}]={text!r}")
            if not row:
                raise ValueError(f"Each hypothesis needs a reference. Received: {name}[{i}]=[]")
    references = [[compose(text) for text in texts] for texts in references]
    hypotheses = [compose(text) for text in hypotheses]
    if len(references) != len(hypotheses):
        raise ValueError(
            "Each hypothesis needs one reference, or a list of several. "
            f"Received: {len(references)} references, {len(hypotheses)} hypotheses"
        )
    if not references:
        raise ValueError("There is nothing to score: the split has no examples.")
    return references, hypotheses
