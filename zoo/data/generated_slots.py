"""English commands, made up, with their slots and intents.

No list of words can tag them. "chicago" is a town or a band, "seven" a time or a number of
guests, "rain" is weather or half of a song: the words around decide, sometimes only those that
follow. And a good part of the names is made up: whether a word never seen before, in "play some …",
is a band or a kind of music, and what "and …" asks for at all, only its letters tell.
"""

import random
import zlib
from collections.abc import Callable

from zoo.data.dataset import Columns, Dataset, DatasetCard, as_dataset, check_sizes
from zoo.data.tagged import tag_set

# {placeholder}: one of `PLACEHOLDERS`. All other words are outside of any slot.
PATTERNS = {
    "set_alarm": (
        "set an alarm for {time}",
        "set an alarm for {time} on {day}",
        "set a {time} alarm for {when}",
        "wake me up at {time}",
        "wake me at {time} {when}",
        "wake me on {day} at {time}",
        "i need to be up by {time} {when}",
        "{time} {when} is when i have to get up",
        "{day} at {time} is when i have to get up",
        "i have to get up for {person} at {time}",
        "cancel the {time} alarm",
        "what about {time} {when}",
        "and {time}",
    ),
    "book_restaurant": (
        "book a table for {party} at {restaurant}",
        "book a table at {restaurant} {when}",
        "book a table at {time} for {party}",
        "book {restaurant} for {party} on {day}",
        "reserve {restaurant} under {person}",
        "reserve a table for {person} at {time}",
        "a table for {party} in {city}",
        "find a {cuisine} place in {city}",
        "find a {plain} place in {city} for {party}",
        "find a {plain} {cuisine} place for {when}",
        "i want to eat {cuisine} {when}",
        "i want to eat at {restaurant} {when}",
        "i want to eat at {time} in {city}",
        "{restaurant} is where i want to eat",
        "{city} is where we want to eat at {time}",
        "{party} of us want to eat in {city} in {month}",
        "what about {cuisine} {when}",
        "and {restaurant}",
    ),
    "get_weather": (
        "what is the weather like in {city}",
        "what is the weather like in {month}",
        "what is the weather like in {city} in {month}",
        "will it {fall} in {city} {when}",
        "will it {fall} in {month}",
        "will it be {sky} on {day} in {city}",
        "how {sky} is it in {city} at {time}",
        "{city} is the town i mean , will it be {sky}",
        "{day} in {city} , will it {fall}",
        "is {month} a {sky} month in {city}",
        "what about {city} {when}",
        "and {city}",
    ),
    "play_music": (
        "play {track}",
        "play {track} by {artist}",
        "play {artist}",
        "play some {artist}",
        "play some {genre}",
        "play some {plain} {genre} at {time}",
        "put on some {artist} for {when}",
        "put on {track}",
        "put on {track} from {artist}",
        "i want to hear {track} by {artist} {when}",
        "i want to hear {artist}",
        "i want to hear {genre}",
        "{artist} is the band i want to hear",
        "{artist} is who i want to hear at {time}",
        "{track} is the song i want to hear",
        "{genre} is what i want to hear on {day}",
        "what about {genre} {when}",
        "and {genre}",
    ),
}
BEFORE = ("", "", "", "", "please", "hey ,", "ok ,")
AFTER = ("", "", "", "", "please", ", thanks")

NUMBERS = (
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
TIMES = ("noon", "midnight", "half past {n}", "quarter to {n}", "{n} thirty", "{n} in the morning")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WHEN = ("today", "tomorrow", "tonight", "this weekend", "next {day}", "this {day}")
MONTHS = ("january", "april", "may", "june", "july", "august", "october", "december")
FALLS = ("rain", "snow", "hail", "pour", "thunder")
SKIES = ("sunny", "windy", "foggy", "cold", "stormy", "golden", "blue")
PLAIN = ("quiet", "cheap", "good", "nice", "cold", "old")
CITIES = (
    "london", "paris", "chicago", "boston", "new york", "san francisco", "kansas city", "berlin",
    "seoul", "orleans", "phoenix",
)  # fmt: skip
ARTISTS = (
    "chicago", "boston", "kansas city five", "berlin", "phoenix", "paris sisters", "nina simone",
    "april wine", "june carter", "the quiet sundays", "the old friday band", "seven",
)  # fmt: skip
PEOPLE = ("april", "may", "june", "tom", "paris", "august", "anna")
GENRES = ("jazz", "rock", "hip hop", "blues", "folk", "drum and bass", "country")
CUISINES = ("italian", "thai", "korean", "mexican", "french", "indian")
RESTAURANTS = ("blue moon", "the golden dragon", "chez paris", "midnight sun", "the june tree")

# Songs and restaurants are named by the same words, and by words that stand elsewhere.
QUALITIES = ("blue", "cold", "golden", "quiet", "stormy", "sunny", "old", "midnight")
THINGS = ("rain", "snow", "moon", "river", "dragon", "table", "tree", "thunder", "alarm", "sun")
SONGS = (
    "{quality} {thing}", "the {thing}", "{thing} in {month}", "{day} in {city}", "{day} {thing}",
    "the {thing} of {city}", "{n} {thing} for {person}", "{month} {thing}", "wake me in {city}",
)  # fmt: skip

# What is made up: a stem, and an end that says what it names.
STARTS = (
    "b", "br", "c", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "k", "l", "m", "n", "p", "pl", "r",
    "s", "st", "t", "tr", "v", "z",
)  # fmt: skip
VOWELS = ("a", "e", "i", "o", "u", "ea", "oo")
MIDDLES = ("b", "d", "l", "ld", "ll", "m", "mb", "n", "nd", "r", "rk", "rl", "rn", "ss", "tt", "v")
ENDS = {
    "city": ("ville", "burg", "ton", "ford", "stead"),
    "first": ("ia", "ella", "ardo", "ina"),
    "last": ("son", "berg", "sky", "man"),
    "genre": ("core", "wave", "step", "grass"),
    "cuisine": ("ese", "ish", "ian"),
    "restaurant": ("'s", "eria", "o's"),
}
MADE_UP = 0.4  # of names
HELD_OUT = 3  # in ten made-up words, which only dev and test use


class GeneratedSlots:
    """Made anew at each load, from a seed, without any file."""

    card = DatasetCard(
        name="generated_slots",
        task="token_classifier",
        languages=("en",),
        licence="Apache-2.0",
        citation="Generated by this library.",
        homepage="",
        description="Made-up English commands with slots and intents, many words only in test.",
        splits={"train": 3_000, "dev": 400, "test": 400},
    )

    def load(self, train: int = 3_000, dev: int = 400, test: int = 400, seed: int = 0) -> Dataset:
        """Makes three splits that share no command, as many of each intent as can be.

        Of ten made-up words three are for dev and test, and never occur in train.

        Args:
            train: int. Rows of the split.
            dev: int. As `train`.
            test: int. As `train`; 0 for none.
            seed: int. The same seed makes the same commands. Defaults to `0`.
        """
        sizes = {"train": train, "dev": dev, "test": test}
        check_sizes(sizes)
        source = random.Random(seed)
        seen: set[tuple[str, ...]] = set()
        splits = {
            split: _Maker(source, split != "train").split(size, seen)
            for split, size in sizes.items()
            if size
        }
        return as_dataset(self.card, splits, labels=tag_set(splits["train"]["tags"]))


class _Maker:
    """Fills patterns, with made-up words of train or with any."""

    def __init__(self, source: random.Random, held_out: bool):
        self.source = source
        self.held_out = held_out

    def split(self, size: int, seen: set[tuple[str, ...]]) -> Columns:
        intents = [list(PATTERNS)[row % len(PATTERNS)] for row in range(size)]
        self.source.shuffle(intents)
        columns: Columns = {"tokens": [], "tags": [], "intent": []}
        for intent in intents:
            tokens, tags = self.command(intent)
            while tuple(tokens) in seen:
                tokens, tags = self.command(intent)
            seen.add(tuple(tokens))
            for values, value in zip(columns.values(), (tokens, tags, intent), strict=True):
                values.append(value)
        return columns

    def command(self, intent: str) -> tuple[list[str], list[str]]:
        parts = [BEFORE, PATTERNS[intent], AFTER]
        tokens: list[str] = []
        tags: list[str] = []
        for word in " ".join(self.source.choice(part) for part in parts).split():
            if word.startswith("{"):
                slot, make = PLACEHOLDERS[word[1:-1]]
                value = make(self).split()
                tokens += value
                tags += _tags(slot, len(value))
            else:
                tokens.append(word)
                tags.append("O")
        return tokens, tags

    def word(self, kind: str) -> str:
        """A made-up word; which of them are held out is the same for every seed."""
        choose = self.source.choice
        while True:
            made = choose(STARTS) + choose(VOWELS) + choose(MIDDLES) + choose(ENDS[kind])
            if self.allowed(made):
                return made

    def clock(self) -> str:
        """7:05, 11:45pm."""
        while True:
            made = f"{self.source.randint(1, 12)}:{self.source.randrange(60):02}"
            made += self.source.choice(("", "am", "pm"))
            if self.allowed(made):
                return made

    def allowed(self, word: str) -> bool:
        return self.held_out or zlib.crc32(word.encode()) % 10 >= HELD_OUT

    def made_up(self) -> bool:
        return self.source.random() < MADE_UP

    def fill(self, patterns: tuple[str, ...]) -> str:
        """One of them, its own placeholders filled with what is well known."""
        choose = self.source.choice
        return choose(patterns).format(
            n=choose(NUMBERS),
            day=choose(DAYS),
            month=choose(MONTHS),
            city=choose(CITIES),
            person=choose(PEOPLE),
            quality=choose(QUALITIES),
            thing=choose(THINGS),
        )

    def time(self) -> str:
        return self.clock() if self.made_up() else self.fill((*TIMES, "{n}", "{n}", "{n}"))

    def city(self) -> str:
        before = self.source.choice(("", "", "", "new ", "lake "))
        return before + self.word("city") if self.made_up() else self.fill(CITIES)

    def person(self) -> str:
        return self.word("first") if self.made_up() else self.fill(PEOPLE)

    def artist(self) -> str:
        if self.made_up():
            return self.word("first") + self.source.choice(("", f" {self.word('last')}"))
        return self.fill(ARTISTS)

    def genre(self) -> str:
        return self.word("genre") if self.made_up() else self.fill(GENRES)

    def cuisine(self) -> str:
        return self.word("cuisine") if self.made_up() else self.fill(CUISINES)

    def restaurant(self) -> str:
        if self.made_up():
            return self.word("restaurant")
        return self.fill((*RESTAURANTS, "the {quality} {thing}", "the {thing} of {city}"))

    def party(self) -> str:
        return self.fill(("{n}", "{n}", "{n} people"))


def _of(patterns: tuple[str, ...]) -> Callable[[_Maker], str]:
    return lambda maker: maker.fill(patterns)


# The slot of each, "" for none, and what to fill it with.
PLACEHOLDERS: dict[str, tuple[str, Callable[[_Maker], str]]] = {
    "time": ("time", _Maker.time),
    "day": ("date", _of(DAYS)),
    "when": ("date", _of(WHEN)),
    "month": ("date", _of(MONTHS)),
    "fall": ("condition", _of(FALLS)),
    "sky": ("condition", _of(SKIES)),
    "city": ("city", _Maker.city),
    "artist": ("artist", _Maker.artist),
    "track": ("track", _of(SONGS)),
    "genre": ("genre", _Maker.genre),
    "person": ("person", _Maker.person),
    "party": ("party_size", _Maker.party),
    "cuisine": ("cuisine", _Maker.cuisine),
    "restaurant": ("restaurant", _Maker.restaurant),
    "plain": ("", _of(PLAIN)),
}


def _tags(slot: str, length: int) -> list[str]:
    if not slot:
        return ["O"] * length
    return [f"B-{slot}"] + [f"I-{slot}"] * (length - 1)
