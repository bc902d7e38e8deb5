"""An HTML page of recordings with players and transcripts, of which each word can be played."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from zoo.explain.gallery import Page, check_lists, html_items

if TYPE_CHECKING:
    from zoo.explain.spectrogram import Spectrogram

PAGE_BYTES = 64 << 20  # of all players and drawings; further entries have none
MAX_SECONDS = 120.0  # of a player
RATE = 16_000  # samples per second of a player

STYLE = """<style>
main { grid-template-columns: repeat(auto-fill, minmax(min(26em, 100%), 1fr)) !important; }
audio { display: block; width: calc(100% - 1.6em); margin: .9em .8em 0; }
.words { position: relative; height: 1.9em; margin: .5em 0; background: var(--paper);
        border-radius: 4px; }
.words button { position: absolute; top: 0; bottom: 0; padding: 0; border: 0; font: inherit;
               font-size: .8em; overflow: hidden; background: var(--mark); color: var(--marked);
               border-left: 1px solid var(--marked); cursor: pointer; min-width: 2px; }
.words button.now { background: var(--marked); color: var(--mark); }
details img { width: 100%; margin-top: .5em; background: #fff; }
</style>
<script>
document.addEventListener("click", event => {
  const word = event.target.closest(".words button"); if (!word) return;
  const audio = word.closest("article").querySelector("audio"); if (!audio) return;
  audio.currentTime = word.dataset.start; audio.play();
});
document.addEventListener("timeupdate", event => {
  for (const word of event.target.closest("article").querySelectorAll(".words button"))
    word.classList.toggle("now", word.dataset.start <= event.target.currentTime
                                 && event.target.currentTime < word.dataset.end);
}, true);
</script>
"""


class Recordings(Page):
    """An HTML page of recordings, in one file without external resources.

    Below each player, the words are where they are in the recording; a click plays one. Recordings
    are embedded at 16 kHz at most, the first 120 seconds of each, until the page has 64 MB; further
    ones have no player, and say so.

    Args:
        title, score_name, language: See `Page`.

    Example:

    >>> page = Recordings("Digits")
    >>> page.add("7.wav", "seven", words=[("seven", 0.1, 0.6)], references=["seven"])
    >>> page.save("page.html")
    """

    entry = "recording"
    style = STYLE

    def __init__(self, title: str, **options: Any):
        super().__init__(title, **options)
        self._embedded = 0

    def add(
        self,
        audio: Any,
        text: str,
        *,
        words: Sequence[tuple[str, float, float]] = (),
        score: float | None = None,
        hypotheses: Iterable[str] = (),
        references: Iterable[str] = (),
        explained: "Spectrogram | None" = None,
        note: str = "",
        error: object = None,
    ) -> None:
        """Appends a recording with its transcript.

        Args:
            audio: The path of a file, an array at 16 kHz, or anything else that
                `zoo.audio.read_audio` takes; `None` for an entry without a player.
            text: The transcript.
            words: Its words with start and end in seconds.
            score: float. The score of the transcript. Defaults to `None`.
            hypotheses: Other transcripts of the beam, best first.
            references: The true transcripts.
            explained: The spectrogram with the alignment, in a section that unfolds.
            note: str. A note, such as the name of the file.
            error: An exception or a text, shown in place of the transcript. Defaults to `None`.

        Raises:
            TypeError: if `hypotheses` or `references` is a string. Also what
                `zoo.audio.read_audio` raises.
        """
        check_lists(hypotheses=hypotheses, references=references)
        player, seconds = self._player(audio) if audio is not None else ("", 0.0)
        parts = self.heading(text, score, error)
        if words:
            parts.append(_timeline(words, seconds))
        if items := html_items(references):
            parts.append(f"<details open><summary>Said</summary><ul>{items}</ul></details>")
        if note:
            parts.append(f'<p class="note">{escape(note)}</p>')
        if items := html_items(hypotheses):
            parts.append(f"<details><summary>Other transcripts</summary><ol>{items}</ol></details>")
        if explained is not None and self._embedded < PAGE_BYTES:
            parts.append(self._unfolding(explained))
        self.append(player, parts)

    def _player(self, audio: Any) -> tuple[str, float]:
        """The player, and the seconds of the whole recording."""
        from zoo.audio import read_audio, wav_bytes

        samples = read_audio(audio, RATE)
        seconds = len(samples) / RATE
        if self._embedded >= PAGE_BYTES:
            return '<p class="note">No player: the page is full.</p>', seconds
        content = wav_bytes(samples[: int(MAX_SECONDS * RATE)], RATE)
        self._embedded += len(content)
        source = f"data:audio/wav;base64,{base64.b64encode(content).decode()}"
        return f'<audio controls preload="metadata" src="{source}"></audio>', seconds

    def _unfolding(self, explained: "Spectrogram") -> str:
        from zoo.explain.html.spectrogram import picture_uri  # imports matplotlib

        source = picture_uri(explained)
        self._embedded += len(source)
        return (
            "<details><summary>What was heard when</summary>"
            f'<img loading="lazy" alt="Spectrogram" src="{source}"></details>'
        )


def _timeline(words: Sequence[tuple[str, float, float]], seconds: float) -> str:
    """The words as buttons where they are in the recording."""
    seconds = max([seconds, *(end for *_, end in words)]) or 1.0
    buttons = "".join(
        f'<button data-start="{start:.3f}" data-end="{end:.3f}" title="{start:.2f}–{end:.2f} s" '
        f'style="left: {start / seconds:.2%}; width: {(end - start) / seconds:.2%}">'
        f"{escape(word)}</button>"
        for word, start, end in words
    )
    return f'<div class="words">{buttons}</div>'
