"""Suggestions for misspelt names."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggests known words for a misspelt one.

    Args:
        word: The misspelt word.
        known: The words to choose from.

    Returns:
        A sentence that starts with a space, such as `" Did you mean `gru`?"`, with up to three
        words that are similar, or contain `word`; `""` if there are none.
    """
    known = list(known)
    similar = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    within = [name for name in known if word and word in name]
    near = list(dict.fromkeys([*similar, *within]))[:3]
    return f" Did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""
