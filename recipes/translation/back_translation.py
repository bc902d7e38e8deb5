"""Back-translation: synthetic sources for texts in the target language."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from recipes.translation.schema import SyntheticConfig
from zoo import data
from zoo.data import Columns, Dataset
from zoo.data.tables import lines
from zoo.models import Seq2SeqLM, Seq2SeqLMPreprocessor
from zoo.training.display import Display
from zoo.training.distillation.sequences import translate
from zoo.training.distillation.teacher import Teacher
from zoo.unicode import compose

COLUMN = "synthetic"  # of the training split: whether the source of a row is synthetic


def with_synthetic(
    dataset: Dataset, settings: SyntheticConfig, seed: int, display: Display
) -> Dataset:
    """A dataset whose training split also has texts with their translations as sources.

    Texts that occur twice, or as a target of the dataset, are left out.

    Args:
        dataset: The pairs.
        settings: The section `data.synthetic`.
        seed: int. Seed of the order of the texts, of which the first `limit` are taken.
        display: Shows the progress.

    Raises:
        FileNotFoundError: if there is no such file of texts.
        ValueError: if the model does not translate in the other direction, or no text is left.

    References:
        - Sennrich et al. 2016, "Improving neural machine translation models with monolingual
          data", section 3.2.
    """
    texts = read_texts(settings.texts, dataset.languages)
    teacher = Teacher(settings.model, Seq2SeqLM, "data.synthetic.model")
    _check_direction(teacher, dataset.languages)
    texts, left_out = _new_texts(texts, dataset)
    order = np.random.default_rng(seed).permutation(len(texts))[: settings.limit]
    texts = [texts[row] for row in order]
    if not texts:
        raise ValueError(
            "No text of data.synthetic is left after those that occur in the dataset: give other "
            f"texts. Received: data.synthetic.texts={settings.texts!r}, left out {left_out}"
        )
    sources = translate(teacher, texts, settings.beam, display)
    pairs = [(s, t) for s, t in zip(sources, texts, strict=True) if s.strip()]
    display.say(
        f"data.synthetic: {len(pairs):,} texts of {settings.texts}, translated by "
        f"{settings.model}; left out {left_out}"
    )
    train = dataset.splits["train"]
    added = {
        "source": [source for source, _ in pairs],
        "target": [text for _, text in pairs],
        COLUMN: [True] * len(pairs),
    }
    given = {**train, COLUMN: [False] * len(train["source"])}
    columns = {name: [*given[name], *added[name]] for name in added}
    return replace(dataset, splits={**dataset.splits, "train": columns})


def of_epoch(columns: Columns, ratio: float, seed: int, epoch: int) -> Columns:
    """The rows of an epoch: all pairs, and `ratio` times as many synthetic ones, drawn anew.

    Args:
        columns: The training split of `with_synthetic`.
        ratio: float. Synthetic rows for each other one; at most all.
        seed: int. Seed of the choice.
        epoch: int. The epoch, from 0.
    """
    synthetic = np.array(columns[COLUMN])
    real, others = np.flatnonzero(~synthetic), np.flatnonzero(synthetic)
    size = min(round(ratio * len(real)), len(others))
    drawn = np.random.default_rng([seed, epoch]).choice(others, size, replace=False)
    rows = [*real, *np.sort(drawn)]
    return {name: [values[row] for row in rows] for name, values in columns.items()}


def tagged(
    sources: list[list[int]], columns: Columns, preprocessor: Seq2SeqLMPreprocessor
) -> list[list[int]]:
    """Encoded sources, of which the synthetic ones begin with the start token.

    References:
        - Caswell et al. 2019, "Tagged back-translation".
    """
    tag, length = preprocessor.tokenizer.start_token_id, preprocessor.encoder_sequence_length
    return [
        [tag, *ids] if is_synthetic and len(ids) < length else ids
        for ids, is_synthetic in zip(sources, columns[COLUMN], strict=True)
    ]


def read_texts(source: str, languages: tuple[str, ...]) -> list[str]:
    """Texts in the target language: the column `target` of a named dataset, or a line each.

    Args:
        source: Name of a dataset for translation, or path of a text file, which may be gzipped.
        languages: Languages of the pairs; `()` if unknown.
    """
    if source in (card.name for card in data.list_datasets()):
        options = dict(zip(("source", "target"), languages, strict=False))
        return data.load(source, **options).splits["train"]["target"]
    return [compose(line.strip()) for line in lines(Path(source))]


def _new_texts(texts: Iterable[str], dataset: Dataset) -> tuple[list[str], str]:
    """Texts that are no target of the dataset, each once; and what was left out, in words."""
    train = set(map(_key, dataset.splits["train"]["target"]))
    held_out = {
        _key(text)
        for split, columns in dataset.splits.items()
        if split != "train"
        for text in columns["target"]
    }
    new: dict[str, str] = {}
    counts = {"repeated": 0, "of train": 0, "of dev or test": 0}
    for text in texts:
        if not (key := _key(text)):
            continue
        if key in held_out:
            counts["of dev or test"] += 1
        elif key in train:
            counts["of train"] += 1
        elif key in new:
            counts["repeated"] += 1
        else:
            new[key] = text
    return list(new.values()), ", ".join(f"{count:,} {which}" for which, count in counts.items())


def _key(text: str) -> str:
    """A text without case and spacing, by which texts are compared."""
    return " ".join(text.casefold().split())


def _check_direction(teacher: Teacher, languages: tuple[str, ...]) -> None:
    known = teacher.model.languages
    if known and languages and known != tuple(reversed(languages)):
        source, target = languages
        raise ValueError(
            f"data.synthetic.model must translate from {target} into {source}, the other way "
            f"round. Received: {teacher.source!r}, from {known[0]} into {known[1]}"
        )
