"""Metrics of captions with several references: BLEU, ROUGE-L and CIDEr-D."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from types import SimpleNamespace

from zoo.extras import need
from zoo.metrics.translation import NO_SPACES
from zoo.unicode import compose

# The words that all three metrics count: lower-cased runs of letters and digits, without
# punctuation. Hyphens within a word join (`t-shirt`), apostrophes split (`man's` is `man` and `s`,
# as is `man 's`), so that spaces around punctuation do not matter. The number of words equals that
# of the Java tokeniser of COCO's tool in all but 3 of the 5,000 captions of Flickr8k's dev split.
# In scripts without spaces between words each character is one.
_LETTER = rf"(?:(?!{NO_SPACES})\w)"
WORD = rf"{NO_SPACES}\p{{M}}*|(?!\p{{M}}){_LETTER}+(?:-{_LETTER}+)*"
TOKENIZATION = "lc.words"  # the name of this rule in signatures

MAX_NGRAM = 4
SIGMA = 6.0  # of CIDEr-D: width of the Gaussian penalty on the difference in length


def caption_scores(
    references: Sequence[Sequence[str]], hypotheses: Sequence[str]
) -> dict[str, float]:
    """Scores of captions against all references of their images.

    All scores are percentages, as in papers.

    Args:
        references: The reference captions of each image, at least one; their number may vary.
        hypotheses: The caption of each image to score.

    Returns:
        - `bleu_1` to `bleu_4`: corpus BLEU by sacreBLEU with n-grams up to that length, without
          smoothing; the brevity penalty uses the length of the closest reference.
        - `rouge_l`: the mean over images of the greatest F1 of the longest common subsequence
          with a reference, as in `rouge-score`. (COCO's tool differs: it gives recall more
          weight, and takes precision and recall from different references.)
        - `cider_d`: the mean over images of CIDEr-D (Vedantam et al. 2015, section 7): the
          similarity of n-grams weighted by TF-IDF, with document frequencies from these
          references. At most 1,000, a hundred times the value of COCO's tool. On Flickr8k's dev
          split, the captions of one annotator score 80 against those of the other four.

    Raises:
        ValueError: if there is nothing to score, references and captions differ in number, or an
            image has no reference.
        TypeError: if a text is not a string.
    """
    need("train", "Measuring", "rouge_score")
    from rouge_score.rouge_scorer import RougeScorer

    references, hypotheses = _counted(*_checked(references, hypotheses))
    scores = {}
    for order in range(1, MAX_NGRAM + 1):
        scores[f"bleu_{order}"] = _bleu(order, references, hypotheses)[0]
    rouge = RougeScorer(["rougeL"], tokenizer=SimpleNamespace(tokenize=str.split))
    scores["rouge_l"] = 100 * _mean(
        rouge.score_multi(captions, text)["rougeL"].fmeasure
        for captions, text in zip(references, hypotheses, strict=True)
    )
    scores["cider_d"] = _mean(_cider_d(references, hypotheses))
    return scores


def caption_score_each(
    references: Sequence[Sequence[str]], hypotheses: Sequence[str], metric: str = "cider_d"
) -> list[float]:
    """The score of each caption by one metric.

    Args:
        references: See `caption_scores`.
        hypotheses: See `caption_scores`.
        metric: `"cider_d"`, of which the mean is that of `caption_scores`: n-grams are weighted by
            their inverse document frequency over the given images, so that a single image always
            scores 0; or `"bleu_4"`, by sacreBLEU with exponential smoothing and effective order,
            which one sentence needs. Defaults to `"cider_d"`.

    Returns:
        A score for each image, between 0 and 1,000, or 100 of BLEU.

    Raises:
        ValueError: if the metric is unknown, there is nothing to score, references and captions
            differ in number, or an image has no reference.
        TypeError: if a text is not a string.
    """
    if metric not in ("cider_d", "bleu_4"):
        raise ValueError(f"`metric` must be cider_d or bleu_4. Received: metric={metric!r}")
    references, hypotheses = _counted(*_checked(references, hypotheses))
    if metric == "cider_d":
        return _cider_d(references, hypotheses)
    need("train", "Measuring", "sacrebleu")
    from sacrebleu.metrics import BLEU

    bleu = BLEU(lowercase=True, tokenize="none", force=True, effective_order=True)
    pairs = zip(hypotheses, references, strict=True)
    return [bleu.sentence_score(text, captions).score for text, captions in pairs]


def caption_signatures(references: Sequence[Sequence[str]]) -> dict[str, str]:
    """Signatures of the scores, with which they can be reproduced.

    Args:
        references: See `caption_scores`; their number is part of the signatures.

    Returns:
        `bleu`, sacreBLEU's signature of `bleu_1` to `bleu_4`; `rouge_l`; `cider_d`. All include
        the preprocessing of the texts, `input:lc.words`, which is the rule `WORD`.

    Raises:
        ValueError: if there are no references, or an image has none.
        TypeError: if a text is not a string.
    """
    from importlib.metadata import version

    references = list(references)
    references, hypotheses = _checked(references, [""] * len(references))
    bleu = _bleu(MAX_NGRAM, references, hypotheses)[1]
    number = bleu.partition("|")[0]
    return {
        "bleu": f"{bleu}|input:{TOKENIZATION}",
        "rouge_l": f"{number}|f:1|refs:best|rouge-score:{version('rouge-score')}"
        f"|input:{TOKENIZATION}",
        "cider_d": f"{number}|n:{MAX_NGRAM}|sigma:{SIGMA:g}|idf:references|max:1000"
        f"|input:{TOKENIZATION}",
    }


def caption_words(text: str) -> list[str]:
    """The words of a caption by the rule `WORD`."""
    import regex  # its \w includes the vowel signs of all scripts

    return regex.findall(WORD, compose(text).lower())


def _counted(references, hypotheses):
    """The texts reduced to the words that are counted, separated by spaces."""

    def prepared(texts):
        return [" ".join(caption_words(text)) for text in texts]

    return [prepared(captions) for captions in references], prepared(hypotheses)


def _bleu(order, references, hypotheses):
    """The score and its signature."""
    need("train", "Measuring", "sacrebleu")
    from sacrebleu.metrics import BLEU

    # `force` suppresses a warning about texts that are tokenised already.
    metric = BLEU(
        lowercase=True, tokenize="none", force=True, smooth_method="none", max_ngram_order=order
    )
    streams = list(zip_longest(*references))  # `None` where an image has fewer
    return float(metric.corpus_score(hypotheses, streams).score), str(metric.get_signature())


def _cider_d(references, hypotheses):
    """A score for each image."""
    references = [[text.split() for text in captions] for captions in references]
    # Number of images with the n-gram in a reference.
    document_frequencies: Counter[tuple[str, ...]] = Counter()
    for captions in references:
        document_frequencies.update({gram for words in captions for gram in _ngrams(words)})

    def vectors(words):
        """TF-IDF of each n-gram, for each n: eq. 1 of the paper, with counts not normalised."""
        by_order: list[dict[tuple[str, ...], float]] = [{} for _ in range(MAX_NGRAM)]
        for gram, count in Counter(_ngrams(words)).items():
            rarity = math.log(len(references) / max(document_frequencies[gram], 1))
            by_order[len(gram) - 1][gram] = count * rarity
        return by_order

    scores = []
    for captions, text in zip(references, hypotheses, strict=True):
        words = text.split()
        found = vectors(words)
        scores.append(
            1000
            * _mean(
                math.exp(-((len(words) - len(reference)) ** 2) / (2 * SIGMA**2))
                * _mean(map(_clipped_cosine, found, vectors(reference)))
                for reference in captions
            )
        )
    return scores


def _clipped_cosine(found, reference):
    """Cosine similarity of two vectors, with the first clipped to the second (CIDEr-D)."""
    lengths = math.hypot(*found.values()) * math.hypot(*reference.values())
    shared = found.keys() & reference.keys()
    product = math.fsum(min(found[gram], reference[gram]) * reference[gram] for gram in shared)
    return product / lengths if lengths else 0.0


def _ngrams(words):
    for order in range(1, MAX_NGRAM + 1):
        for start in range(len(words) - order + 1):
            yield tuple(words[start : start + order])


def _mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def _checked(references, hypotheses):
    """Lists of references and the captions, equally many."""
    for name, texts in {"references": references, "hypotheses": hypotheses}.items():
        if isinstance(texts, str):
            raise TypeError(f"Give a list of texts, not a string. Received: {name}={texts!r}")
    references, hypotheses = list(references), list(hypotheses)
    for i, captions in enumerate(references):
        if isinstance(captions, str) or not isinstance(captions, Sequence):
            raise TypeError(
                f"Each image needs a list of references. Received: references[{i}]={captions!r}"
            )
        if not captions:
            raise ValueError(
                "Each image needs a reference: leave out images without. "
                f"Received: references[{i}]={captions!r}"
            )
        for text in captions:
            if not isinstance(text, str):
                raise TypeError(f"Texts must be strings. Received: {text!r} in references[{i}]")
    for i, text in enumerate(hypotheses):
        if not isinstance(text, str):
            raise TypeError(f"Texts must be strings. Received: hypotheses[{i}]={text!r}")
    if len(references) != len(hypotheses):
        raise ValueError(
            "Each image needs references and one caption. "
            f"Received: references of {len(references)} images, {len(hypotheses)} captions"
        )
    if not references:
        raise ValueError("There is nothing to score: the split has no examples.")
    return references, hypotheses
