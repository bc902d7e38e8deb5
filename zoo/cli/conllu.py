"""Tags in sentences of CoNLL-U, as the library `conllu` reads and writes them."""

from collections.abc import Sequence

# The universal parts of speech: what the column UPOS may hold.
UPOS = frozenset(
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
)
FIELD = "Tag"  # of the column MISC, for tags that are no parts of speech


def words(sentence) -> list[dict]:
    """The words of a sentence: no ranges of words written as one, no empty nodes."""
    return [token for token in sentence if isinstance(token["id"], int)]


def put_tags(tokens: Sequence[dict], tags: Sequence[str]) -> None:
    """Puts a tag into each word: parts of speech into UPOS, others into MISC as `Tag=…`."""
    for token, tag in zip(tokens, tags, strict=True):
        if tag in UPOS:
            token["upos"] = tag
        else:
            token["misc"] = (token["misc"] or {}) | {FIELD: tag}
