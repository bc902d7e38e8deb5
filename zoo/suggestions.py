"""What a person may have meant by a name that there is not."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence, after a space, with the known words nearest to `word` or of which it is a part;
    nothing if there is none."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    near = near or [name for name in known if word and word in name][:3]
    return f" Did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""
