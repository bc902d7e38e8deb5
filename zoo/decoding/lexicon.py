"""The words that a decoder may write, as a trie over token ids."""

from collections.abc import Iterable, Sequence

import numpy as np

START, BETWEEN = 0, 1
MAX_TABLE = 1 << 26  # entries


class Lexicon:
    """A trie of words: which token may follow the tokens of a text so far.

    A text is a sequence of words with one separator between two of them; it may have no word. A
    node of the trie is a number; `Lexicon.start` is that of an empty text.

    Args:
        words: The token ids of each word, none of them the separator.
        separator: int. The token id between words; `None` if a text has one word at most.

    Raises:
        ValueError: if there are no words, a word is empty, or has the separator.
    """

    start = START

    def __init__(self, words: Iterable[Sequence[int]], separator: int | None):
        self.separator = separator
        first: dict[int, int] = {}
        self._children = [first, first]  # of the start, and of the place after a separator
        self._is_end = [True, False]
        for word in words:
            self._add(word)
        if not first:
            raise ValueError("A lexicon needs at least one word. Received: none")

    def _add(self, word: Sequence[int]) -> None:
        if not word or self.separator in word:
            raise ValueError(
                "A word must have tokens, and none of them the separator. "
                f"Received: {list(word)}, separator={self.separator}"
            )
        node = START
        for token in word:
            if token not in self._children[node]:
                self._children[node][token] = len(self._children)
                self._children.append({})
                self._is_end.append(False)
            node = self._children[node][token]
        self._is_end[node] = True

    def after(self, node: int, token: int) -> int | None:
        """The node after one more token, or `None` if no text goes on with it."""
        if token == self.separator:
            return BETWEEN if self._is_end[node] and node != START else None
        return self._children[node].get(token)

    def begins(self, tokens: Iterable[int]) -> bool:
        """True if a text may begin with tokens."""
        node = START
        for token in tokens:
            after = self.after(node, int(token))
            if after is None:
                return False
            node = after
        return True

    def is_complete(self, node: int) -> bool:
        """True if a text may end at a node: after a word, or before any."""
        return self._is_end[node]

    def table(self, vocabulary: int, end_id: int) -> np.ndarray:
        """The node after each token, for `lexicon` of `zoo.decoding.beam_search`.

        Args:
            vocabulary: int. Number of tokens.
            end_id: int. The token that ends a text.

        Returns:
            int32 `[nodes, vocabulary]`, negative where no text goes on with a token: at the end
            token minus the fewest tokens after which a text may end, else -1. The number of nodes
            is rounded up to a power of two, so that few shapes are compiled.

        Raises:
            ValueError: if the table would take more than 256 MB.
        """
        nodes = 1 << (len(self._children) - 1).bit_length()
        if nodes * vocabulary > MAX_TABLE:
            raise ValueError(
                f"The words need a table of {nodes:,} nodes by {vocabulary:,} tokens, of which "
                f"there may be {MAX_TABLE:,} entries: list fewer words"
            )
        table = np.full((nodes, vocabulary), -1, "int32")
        for node in reversed(range(len(self._children))):  # those after a node have larger numbers
            for token in self.tokens(node):
                table[node, token] = self.after(node, token)
            if self._is_end[node]:
                table[node, end_id] = START
            else:
                table[node, end_id] = table[list(self._children[node].values()), end_id].max() - 1
        return table

    def tokens(self, node: int) -> list[int]:
        """The tokens that may follow a node."""
        tokens = list(self._children[node])
        if self.separator is not None and self._is_end[node] and node != START:
            tokens.append(self.separator)
        return tokens
