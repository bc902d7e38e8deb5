"""Metrics of tagging; scores of spans are computed by seqeval.

Sentences without words are left out of every score.
"""

import operator
from collections import Counter
from itertools import chain

import numpy as np

from zoo.extras import need
from zoo.metrics.classification import confusion
from zoo.tags import Sentences, count_ill_formed
from zoo.unicode import compose

OTHER = "(other)"


def tagging_scores(
    references: Sentences, predictions: Sentences, scheme: str | None = None
) -> dict[str, float]:
    """Scores of predicted tags.

    Args:
        references: The true tags of each sentence.
        predictions: The tags to score, as many.
        scheme: `"bio"`, `"bioes"` or `"io"` if the tags mark spans (see
            `zoo.tags.tagging_scheme`). Defaults to `None`.

    Returns:
        `token_accuracy`, and `sentence_accuracy`, the share of sentences with all tags right;
        both between 0 and 1. With a scheme also micro-averages over all spans, between 0 and 1:

        - `precision_conlleval`, `recall_conlleval` and `f1_conlleval`: as computed by the script
          of the CoNLL shared tasks and nearly all papers. Ill-formed sequences are repaired: an
          `I-X` that continues no span begins one.
        - `precision_strict`, `recall_strict` and `f1_strict`: ill-formed spans are ignored.
        - `repaired_predictions` and `repaired_references`: the numbers of ill-formed transitions
          (`zoo.tags.count_ill_formed`).

        A score with a denominator of 0 is 0.

    Raises:
        TypeError: if sentences are not lists of strings.
        ValueError: if there is nothing to score, references and predictions differ in length,
            the scheme is unknown, or a tag does not belong to it.
    """
    need("train", "Measuring", "seqeval")
    from seqeval.metrics import sequence_labeling, v1
    from seqeval.scheme import IOB1, IOB2, IOBES

    references, predictions = _checked(references, predictions)
    right = [list(map(operator.eq, *pair)) for pair in zip(references, predictions, strict=True)]
    scores = {
        "token_accuracy": sum(map(sum, right)) / sum(map(len, right)),
        "sentence_accuracy": sum(map(all, right)) / len(right),
    }
    if scheme is None:
        return scores
    repaired = {
        "repaired_predictions": count_ill_formed(predictions, scheme),
        "repaired_references": count_ill_formed(references, scheme),
    }
    both = {"average": "micro", "zero_division": 0}
    strict_schemes = {"bio": IOB2, "bioes": IOBES, "io": IOB1}  # of tags without B, IOB1 is IO
    kinds = {
        "conlleval": sequence_labeling.precision_recall_fscore_support(
            references, predictions, **both
        ),
        "strict": v1.precision_recall_fscore_support(
            references, predictions, scheme=strict_schemes[scheme], **both
        ),
    }
    for kind, values in kinds.items():
        for name, value in zip(("precision", "recall", "f1"), values[:3], strict=True):
            scores[f"{name}_{kind}"] = float(value)
    return scores | repaired


def per_tag_table(references: Sentences, predictions: Sentences) -> list[dict]:
    """Precision, recall and F1 of each tag.

    Args:
        references: The true tags of each sentence.
        predictions: The tags to score, as many.

    Returns:
        For each tag that occurs, the most frequent first, a row with `tag`, `precision`,
        `recall` and `f1` between 0 and 1 (0 if the denominator is 0), and `support`, the number of
        words with this true tag.

    Raises:
        TypeError, ValueError: as `tagging_scores`.
    """
    need("train", "Measuring", "sklearn")
    from sklearn.metrics import precision_recall_fscore_support

    truth, predicted = _flat(references, predictions)
    tags = sorted({*truth, *predicted})
    columns = precision_recall_fscore_support(truth, predicted, labels=tags, zero_division=0)
    rows = [
        {
            "tag": tag,
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "support": int(support),
        }
        for tag, precision, recall, f1, support in zip(tags, *columns, strict=True)
    ]
    return sorted(rows, key=lambda row: -row["support"])


def tag_confusion(
    references: Sentences, predictions: Sentences, max_tags: int = 20
) -> tuple[np.ndarray, list[str]]:
    """The confusion matrix of tags.

    Args:
        references: The true tags of each sentence.
        predictions: The tags to count, as many.
        max_tags: int. The greatest number of tags. If more occur, the least frequent in the
            references are counted together as `"(other)"`. Defaults to `20`.

    Returns:
        Integers `[tags, tags]`, the true tag in rows, the predicted in columns, and the tags,
        the most frequent first.

    Raises:
        TypeError, ValueError: as `tagging_scores`, and if `max_tags` is less than 2.
    """
    if max_tags < 2:
        raise ValueError(f"max_tags must be at least 2. Received: max_tags={max_tags}")
    truth, predicted = _flat(references, predictions)
    counts = Counter(truth)
    tags = sorted({*truth, *predicted}, key=lambda tag: (-counts[tag], tag))
    if len(tags) > max_tags:
        kept = set(tags[: max_tags - 1])
        tags = [*tags[: max_tags - 1], OTHER]
        truth, predicted = (
            [tag if tag in kept else OTHER for tag in column] for column in (truth, predicted)
        )
    return confusion(truth, predicted, tags), tags


def unknown_tags(train: Sentences, other: Sentences) -> dict[str, int]:
    """The tags that do not occur in train, which no model can predict.

    Args:
        train: The tags of each sentence of train.
        other: The tags of each sentence of dev or test.

    Returns:
        The number of occurrences of each such tag in `other`, the most frequent first.
    """
    known = {tag for tags in train for tag in tags}
    counts = Counter(tag for tags in other for tag in tags if tag not in known)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _flat(references: Sentences, predictions: Sentences) -> tuple[list[str], list[str]]:
    references, predictions = _checked(references, predictions)
    return list(chain.from_iterable(references)), list(chain.from_iterable(predictions))


def _checked(
    references: Sentences, predictions: Sentences
) -> tuple[list[list[str]], list[list[str]]]:
    """Both as lists of lists of tags, equally long, without empty sentences."""
    both = {"references": references, "predictions": predictions}
    for name, sentences in both.items():
        if isinstance(sentences, str):
            raise TypeError(
                f"Give a list of sentences, not a string. Received: {name}={sentences!r}"
            )
        both[name] = [tags if isinstance(tags, str) else list(tags) for tags in sentences]
        for i, tags in enumerate(both[name]):
            if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
                raise TypeError(
                    f"The tags of a sentence must be a list of strings. "
                    f"Received: {name}[{i}]={tags!r}"
                )
    references, predictions = both.values()
    if len(references) != len(predictions):
        raise ValueError(
            "Each sentence needs predictions. "
            f"Received: {len(references)} references, {len(predictions)} predictions"
        )
    for i, (true, predicted) in enumerate(zip(references, predictions, strict=True)):
        if len(true) != len(predicted):
            raise ValueError(
                "Each word needs one true and one predicted tag. "
                f"Received: references[{i}] with {len(true)} tags, predictions[{i}] with "
                f"{len(predicted)}"
            )
    references, predictions = (
        [[compose(tag) for tag in tags] for tags in part if tags]
        for part in (references, predictions)
    )
    if not references:
        raise ValueError("There is nothing to score: the split has no words.")
    return references, predictions
