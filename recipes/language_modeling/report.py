"""Report of a language model: texts that it writes, and how surprising the tokens of a text are."""

from collections.abc import Sequence

from recipes.language_modeling.schema import LanguageModelingEvaluation
from zoo.models import CausalLM, CausalLMPreprocessor
from zoo.tokenizers import SpacedWordTokenizer
from zoo.tracking import Run

PREFIX_WORDS = 4  # of a line, for the model to go on from
PREFIX_CHARACTERS = 12  # of a line without spaces
EXPLAINED_CHARACTERS, EXPLAINED_LINES = 400, 8


def log_samples(
    model: CausalLM,
    texts: Sequence[str],
    settings: LanguageModelingEvaluation,
    seed: int,
    run: Run,
    name: str,
) -> None:
    """Logs a table of texts that the model writes.

    Args:
        model: The language model.
        texts: Texts of dev, whose beginnings it continues unless `evaluation.prefixes` are given.
        settings: The section `evaluation`.
        seed: int. Seed of the sampling.
        run: The run.
        name: Name of the table.
    """
    prefixes = settings.prefixes or beginnings(texts, settings.samples)
    prefixes = [prefix for prefix in prefixes if not unknown_in(model.preprocessor, prefix)]
    written = model.infer(
        prefixes,
        max_length=settings.sample_length,
        temperature=settings.temperature,
        seed=seed,
    )
    run.log_table({"prefix": prefixes, "continuation": [it.text for it in written]}, name)


def unknown_in(preprocessor: CausalLMPreprocessor, text: str) -> list[str]:
    """The characters of a text that a model of characters or subwords cannot read."""
    tokenizer = preprocessor.tokenizer
    if isinstance(tokenizer, SpacedWordTokenizer):  # which has a token for unknown words
        return []
    return tokenizer.unknown_characters(text)


def log_surprisal(model: CausalLM, texts: Sequence[str], run: Run) -> None:
    """Logs a picture of the tokens at the beginning of a text, and how surprising each was."""
    text = max(texts[:10], key=len)[:EXPLAINED_CHARACTERS]
    lines = [line for line in text.split("\n") if line.strip()]
    explanation = model.explain("\n".join(lines[:EXPLAINED_LINES]))
    run.log_figure(explanation.figure(), "surprisal/01.png")


def beginnings(texts: Sequence[str], count: int) -> list[str]:
    """The beginnings of a few lines, far apart, in the order of the texts.

    Args:
        texts: Texts.
        count: int. The most beginnings.
    """
    lines = [line for text in texts for line in text.split("\n") if line.strip()]
    found = {}
    for line in lines[:: max(len(lines) // count, 1)]:
        words = line.split()
        if len(words) > 1:
            found[" ".join(words[: min(PREFIX_WORDS, len(words) - 1)])] = None
        else:
            found[line[: min(PREFIX_CHARACTERS, max(len(line) // 2, 1))]] = None
    return list(found)[:count]
