"""Metrics of captions of pictures, each with several references: BLEU, ROUGE-L and CIDEr-D."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from types import SimpleNamespace

# What all three count: lower-cased words, and no punctuation. Runs of letters and digits; hyphens
# within join (`t-shirt`), apostrophes part (`man's` is `man` and `s`, as is `man 's`). So spaces
# around punctuation do not matter, and the words are as many as those of the Java tokeniser of
# COCO's tool: over the 5,000 captions of Flickr8k's dev split, in all but 3.
WORD = r"\w+(?:-\w+)*"
TOKENIZATION = "lc.words"  # the name of this rule, on signatures

LONGEST_NGRAM = 4
SIGMA = 6.0  # of CIDEr-D: how many words more or less than the reference are forgiven


def caption_scores(references: Sequence[Sequence[str]], written: Sequence[str]) -> dict[str, float]:
    """Scores of captions against all references of their pictures.

    All are as papers print them: a hundred times the fraction.

    Args:
        references: The captions that people wrote of each picture: at least one, not
            necessarily equally many.
        written: The caption to score of each picture.

    Returns:
        `bleu_1` to `bleu_4`: sacreBLEU of the corpus with n-grams up to that length, not
        smoothed, and the closest reference's length for the brevity penalty. `rouge_l`: the mean
        over pictures of the F1 of the longest common subsequence with the reference for which
        it is greatest, as in `rouge-score`. (COCO's tool prints another: recall counts for more,
        and precision and recall may come from different references.) `cider_d`: the mean over
        pictures of CIDEr-D (Vedantam et al. 2015, section 7), how many of the telling n-grams
        agree, with n-grams weighted by how few of *these* pictures have them in a reference;
        at most 1,000, a hundred times what COCO's tool prints. Of Flickr8k's dev split, one
        person's captions have 80 against the other four's.

    Raises:
        ValueError: if there is nothing to score, references and captions differ in number, or a
            picture has no reference.
        TypeError: if a text is not a string.
    """
    from rouge_score.rouge_scorer import RougeScorer

    references, written = _counted(*_checked(references, written))
    scores = {}
    for order in range(1, LONGEST_NGRAM + 1):
        scores[f"bleu_{order}"] = _bleu(order, references, written)[0]
    rouge = RougeScorer(["rougeL"], tokenizer=SimpleNamespace(tokenize=str.split))
    scores["rouge_l"] = 100 * _mean(
        rouge.score_multi(captions, text)["rougeL"].fmeasure
        for captions, text in zip(references, written, strict=True)
    )
    scores["cider_d"] = _mean(_cider_d(references, written))
    return scores


def caption_score_each(references: Sequence[Sequence[str]], written: Sequence[str]) -> list[float]:
    """CIDEr-D of each caption: their mean is `cider_d` of `caption_scores`.

    N-grams are weighted by their rarity among the pictures given: one picture alone always
    scores 0, as does a caption that shares nothing but what all pictures have.

    Args:
        references: As for `caption_scores`.
        written: Likewise.

    Returns:
        A score for each picture, between 0 and 1,000.

    Raises:
        ValueError: if there is nothing to score, references and captions differ in number, or a
            picture has no reference.
        TypeError: if a text is not a string.
    """
    return _cider_d(*_counted(*_checked(references, written)))


def caption_signatures(references: Sequence[Sequence[str]]) -> dict[str, str]:
    """What to print beside the scores, so that others can repeat them.

    Args:
        references: As for `caption_scores`: their number is part of it.

    Returns:
        `bleu`, sacreBLEU's signature of `bleu_1` to `bleu_4`; `rouge_l`; `cider_d`. All name
        what was done to the texts before: `input:lc.words`, the rule `WORD`.

    Raises:
        ValueError: if there are no references, or a picture has none.
        TypeError: if a text is not a string.
    """
    from importlib.metadata import version

    references = list(references)
    references, written = _checked(references, [""] * len(references))
    bleu = _bleu(LONGEST_NGRAM, references, written)[1]
    number = bleu.partition("|")[0]
    return {
        "bleu": f"{bleu}|input:{TOKENIZATION}",
        "rouge_l": f"{number}|f:1|refs:best|rouge-score:{version('rouge-score')}"
        f"|input:{TOKENIZATION}",
        "cider_d": f"{number}|n:{LONGEST_NGRAM}|sigma:{SIGMA:g}|idf:references|max:1000"
        f"|input:{TOKENIZATION}",
    }


def caption_words(text: str) -> list[str]:
    """The words of a caption that are counted, by the rule `WORD`."""
    import regex  # whose \w has the vowel signs of all scripts

    return regex.findall(WORD, text.lower())


def _counted(references, written):
    """The texts with nothing but the words that are counted, a space between each two."""

    def prepared(texts):
        return [" ".join(caption_words(text)) for text in texts]

    return [prepared(captions) for captions in references], prepared(written)


def _bleu(order, references, written):
    """The score and its signature."""
    from sacrebleu.metrics import BLEU

    # Texts are split already. Forced, or it warns of that.
    metric = BLEU(
        lowercase=True, tokenize="none", force=True, smooth_method="none", max_ngram_order=order
    )
    streams = list(zip_longest(*references))  # `None` where a picture has fewer
    return float(metric.corpus_score(written, streams).score), str(metric.get_signature())


def _cider_d(references, written):
    """A score for each picture."""
    references = [[text.split() for text in captions] for captions in references]
    pictures: Counter[tuple[str, ...]] = Counter()  # that have the n-gram in a reference
    for captions in references:
        pictures.update({gram for words in captions for gram in _ngrams(words)})

    def vectors(words):
        """The weight of each n-gram, for each n: eq. 1 of the paper, with counts as they are."""
        by_order: list[dict[tuple[str, ...], float]] = [{} for _ in range(LONGEST_NGRAM)]
        for gram, count in Counter(_ngrams(words)).items():
            rarity = math.log(len(references) / max(pictures[gram], 1))
            by_order[len(gram) - 1][gram] = count * rarity
        return by_order

    scores = []
    for captions, text in zip(references, written, strict=True):
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
    """How alike two vectors are, where more of an n-gram than the reference has gains nothing."""
    lengths = math.hypot(*found.values()) * math.hypot(*reference.values())
    shared = found.keys() & reference.keys()
    product = math.fsum(min(found[gram], reference[gram]) * reference[gram] for gram in shared)
    return product / lengths if lengths else 0.0


def _ngrams(words):
    for order in range(1, LONGEST_NGRAM + 1):
        for start in range(len(words) - order + 1):
            yield tuple(words[start : start + order])


def _mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def _checked(references, written):
    """Lists of references and the captions, equally many."""
    for name, texts in {"references": references, "written": written}.items():
        if isinstance(texts, str):
            raise TypeError(f"Give a list, not one text. Received: {name}={texts!r}")
    references, written = list(references), list(written)
    for i, captions in enumerate(references):
        if isinstance(captions, str) or not isinstance(captions, Sequence):
            raise TypeError(
                "Each picture has a list of references, be it of one. "
                f"Received: references[{i}]={captions!r}"
            )
        if not captions:
            raise ValueError(
                "Each picture needs a reference: leave out those without. "
                f"Received: references[{i}]={captions!r}"
            )
        for text in captions:
            if not isinstance(text, str):
                raise TypeError(f"Texts must be strings. Received: {text!r} in references[{i}]")
    for i, text in enumerate(written):
        if not isinstance(text, str):
            raise TypeError(f"Texts must be strings. Received: written[{i}]={text!r}")
    if len(references) != len(written):
        raise ValueError(
            "Each picture needs its references and one caption. "
            f"Received: references of {len(references)} pictures, {len(written)} captions"
        )
    if not references:
        raise ValueError("There is nothing to score: the split has no examples.")
    return references, written
