"""Word vectors by path or name."""

import os
from pathlib import Path

from zoo.home import home
from zoo.suggestions import did_you_mean
from zoo.vectors.files import FORMATS, SUFFIXES, VECTORS_FILE, WORDS_FILE, read_rows

# Public vectors by the names that recipes give them, with the place to get them.
PUBLISHED = {
    f"glove_6b_{size}d": "https://nlp.stanford.edu/data/glove.6B.zip, which has "
    f"glove.6B.{size}d.txt"
    for size in (50, 100, 200, 300)
}


def folders() -> list[Path]:
    """The folders in which names are looked up: `$ZOO_VECTORS`, beside `$ZOO_DATA`, the cache."""
    found = [home() / "vectors"]
    if data := os.environ.get("ZOO_DATA"):
        found.insert(0, Path(data).expanduser().absolute().parent / "vectors")
    if vectors := os.environ.get("ZOO_VECTORS"):
        found.insert(0, Path(vectors).expanduser().absolute())
    return found


def named_vectors() -> dict[str, Path]:
    """The word vectors on this machine by name: that of the file without its ending, or folder."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            suffix = next((it for it in SUFFIXES[::-1] if path.name.endswith(it)), "")
            is_table = all((path / name).is_file() for name in (WORDS_FILE, VECTORS_FILE))
            if is_table or (suffix and path.is_file()):
                found.setdefault(path.name.removesuffix(suffix), path)
    return found


def find_vectors(source: str) -> Path:
    """The file or folder of word vectors.

    Args:
        source: A path, or the name of vectors in one of `folders`.

    Raises:
        FileNotFoundError: if there are none.
    """
    if Path(source).exists():
        return Path(source)
    named = named_vectors()
    if source in named:
        return named[source]
    if source in PUBLISHED:
        remedy = f"download {PUBLISHED[source]}, and give the path of that file"
    else:
        remedy = f"give the path of {FORMATS}"
    raise FileNotFoundError(
        f"There are no word vectors of this name in {', '.join(map(str, folders()))}: {remedy}, or "
        f"put it there as {source}.txt.{did_you_mean(source, {**named, **PUBLISHED})} "
        f"Received: word_vectors={source!r}"
    )


def check_vectors(source: str) -> None:
    """Raises the error of `find_vectors` or `read_rows`, having read the first line alone."""
    read_rows(find_vectors(source))
