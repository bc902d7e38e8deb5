"""Sentence patterns and vocabulary of `generated_slots`."""

# A {placeholder} is one of `generated_slots.PLACEHOLDERS`; all other words are outside of slots.
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

# Names of songs and restaurants share their words with each other and with other slots.
QUALITIES = ("blue", "cold", "golden", "quiet", "stormy", "sunny", "old", "midnight")
THINGS = ("rain", "snow", "moon", "river", "dragon", "table", "tree", "thunder", "alarm", "sun")
SONGS = (
    "{quality} {thing}", "the {thing}", "{thing} in {month}", "{day} in {city}", "{day} {thing}",
    "the {thing} of {city}", "{n} {thing} for {person}", "{month} {thing}", "wake me in {city}",
)  # fmt: skip

# Parts of made-up words: a stem, and an ending for each kind of name.
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
