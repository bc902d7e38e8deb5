"""Reads glossaries: target terms by source terms."""

from pathlib import Path

from zoo.data.tables import lines, no_rows


def read_glossary(file: str | Path) -> dict[str, str]:
    """Reads a glossary: a source and a target term in each line, with a tab between them.

    Empty lines are left out. The file is in UTF-8, and may be gzipped (`.gz`).

    Args:
        file: Path.

    Returns:
        The target term of each source term, for the option `glossary` of `infer`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line has not two terms, or a source term has two target terms.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(lines(Path(file)), 1):
        if not line.strip():
            continue
        terms = [term.strip() for term in line.rstrip("\r\n").split("\t")]
        if len(terms) != 2 or not all(terms):
            raise ValueError(
                f"{file}, line {number}: a line must have a source term, a tab and a target term. "
                f"Received: {line.rstrip()!r:.80}"
            )
        source, target = terms
        if found.setdefault(source, target) != target:
            raise ValueError(
                f"{file}, line {number}: a source term must have one target term: leave one out. "
                f"Received: {source!r} with {found[source]!r} and {target!r}"
            )
    if not found:
        raise no_rows(file)
    return found
