"""Guesses the language of texts from their script, or from frequent words."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import islice

MAX_TEXTS = 500
MAX_CHARACTERS = 500  # of a text
# The language of a script that one language uses, by the first word of its characters' names.
SCRIPTS = {"HANGUL": "ko", "THAI": "th", "GREEK": "el", "HEBREW": "he", "CJK": "zh"}
KANA = ("HIRAGANA", "KATAKANA")
LEAST_KANA = 0.05  # share of Japanese, which has Chinese characters too
WORDS = {
    "de": "der die das und ist nicht ein eine ich es mit auf zu den von sie war im für sehr",
    "en": "the and is not a of to it in was that this with for but as on i you be are have",
    "es": "el la de que y en los se del las un por con una es no muy pero para su",
    "fr": "le la les de et est pas un une je que des en il pour dans ce qui très du",
    "it": "il la di che e non un una per è con sono del della ma molto gli le mi si",
    "nl": "de het een en van is niet ik dat in op te zijn met voor maar was die er zeer",
    "pt": "o a de que e não um uma do da em os para com é mas muito se por no",
}
LEAST_WORDS = 0.1  # share of a text's words that are in the list of its language


def guess_language(texts: Iterable[str]) -> str | None:
    """The language of texts.

    Args:
        texts: Texts, of which the first few hundred are read.

    Returns:
        An ISO 639-1 code: of Korean, Japanese, Chinese, Thai, Greek or Hebrew by the script; of
        German, English, Spanish, French, Italian, Dutch or Portuguese by frequent words. `None`
        for others, and where there is too little text to tell.
    """
    sample = [text[:MAX_CHARACTERS] for text in islice(texts, MAX_TEXTS)]
    scripts = Counter(_script(character) for text in sample for character in text)
    del scripts[""]
    if not scripts:
        return None
    if sum(scripts[name] for name in KANA) >= LEAST_KANA * scripts.total():
        return "ja"
    script, count = scripts.most_common(1)[0]
    if script != "LATIN" or count < scripts.total() / 2:
        return SCRIPTS.get(script)
    words = [word.strip(".,;:!?\"'()") for text in sample for word in text.lower().split()]
    shares = {
        language: sum(word in known for word in words) / len(words)
        for language, known in ((name, set(listed.split())) for name, listed in WORDS.items())
    }
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] >= LEAST_WORDS else None


def _script(character: str) -> str:
    """The first word of the name of a letter, which is its script; empty for other characters."""
    return unicodedata.name(character, "").split(" ")[0] if character.isalpha() else ""
