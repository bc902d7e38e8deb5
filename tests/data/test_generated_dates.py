import re
from collections import Counter
from datetime import date, datetime, timedelta

import pytest

import zoo.data
from zoo.data.generated_dates import ENGLISH, KOREAN, write

pytestmark = pytest.mark.once

SINO = {
    "": 0,
    "일": 1,
    "이": 2,
    "삼": 3,
    "사": 4,
    "오": 5,
    "육": 6,
    "유": 6,
    "칠": 7,
    "팔": 8,
    "구": 9,
}
SPELLED = dict(
    zip(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
        "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth "
        "thirtieth".split(),
        [*range(1, 21), 30],
        strict=True,
    )
)
FORMATS = ("%A, %B %d, %Y", "%a, %d %b %Y", "%A %d %B, %Y", "%B %d, %Y", "%b %d, %Y", "%d %B %Y")
FORMATS += ("%d %b %Y", "%d %B, %Y", "%m/%d/%Y")


@pytest.fixture(scope="module")
def dataset():
    return zoo.data.load("generated_dates")


def read_english(text):
    """Parses the date, and the first letters of the weekday, which `strptime` does not check."""
    text = re.sub(r"\bthe |\bof ", "", text)
    text = re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", text)
    for tens, words in (("twenty-", 20), ("thirty-", 30)):
        text = re.sub(rf"{tens}(\w+)", lambda m, n=words: str(n + SPELLED[m[1]]), text)
    text = re.sub(r"\b[a-z]+th\b|first|second|third", lambda m: str(SPELLED[m[0]]), text)
    found = []
    for form in FORMATS:
        try:
            found.append(datetime.strptime(text, form).date())
        except ValueError:
            continue
    assert found and len(set(found)) == 1, text
    weekday = re.match(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun)", text)
    return found[0], weekday and weekday[0]


def read_sino(word):
    tens, ten, ones = word.rpartition("십")
    return (SINO[tens] or 1) * 10 + SINO[ones] if ten else SINO[ones]


def read_korean(text):
    weekday = re.search(r"([월화수목금토일])(?:요일|\))", text)
    text = re.sub(r"서기 |[월화수목금토일]요일,? ?|\([월화수목금토일]\)", "", text)
    if numbers := re.fullmatch(r"(\d{4})(?:년 |\. ?)(\d+)(?:월 |\. ?)(\d+)[일.]? ?", text):
        found = date(*map(int, numbers.groups()))
    else:
        year, month, day = re.fullmatch(r"(\d{4})년 (\w+)월 (\w+)일 ?", text).groups()
        found = date(int(year), 10 if month == "시" else read_sino(month), read_sino(day))
    return found, weekday and weekday[1]


@pytest.mark.parametrize("pattern", ENGLISH + KOREAN)
def test_every_pattern_parses_back_to_the_date(pattern):
    read, names = read_english, "Mon Tue Wed Thu Fri Sat Sun".split()
    if pattern in KOREAN:
        read, names = read_korean, "월화수목금토일"
    days = [date(2024, 1, 1) + timedelta(days) for days in range(366)]
    days += [date(1900, 1, 1), date(1900, 2, 28), date(2000, 2, 29), date(2099, 12, 31)]
    for day in days:
        found, weekday = read(write(day, pattern))
        assert found == day
        assert ("weekday" in pattern) == (weekday is not None)
        assert weekday in (None, names[day.weekday()])


def test_half_of_the_patterns_are_korean():
    assert len(ENGLISH) == len(KOREAN) >= 6
    day = date(2022, 3, 12)
    texts = {write(day, pattern) for pattern in ENGLISH + KOREAN}
    assert len(texts) == len(ENGLISH + KOREAN)
    assert {"Saturday, March 12, 2022", "12 Mar 2022", "the twelfth of March, 2022"} <= texts
    assert {"3/12/2022", "2022년 3월 12일 토요일", "2022. 3. 12.", "2022년 삼월 십이일"} <= texts
    assert write(date(2022, 6, 21), "{month_ko} {day_ko} {nth}") == "유월 이십일일 21st"


def test_splits_share_no_day_and_have_every_pattern(dataset):
    assert dataset.labels == () and dataset.languages == ("en", "ko")
    sizes = {name: len(split["source"]) for name, split in dataset.splits.items()}
    assert sizes == {"train": 8000, "dev": 500, "test": 500}
    days = [day for split in dataset.splits.values() for day in split["target"]]
    texts = [text for split in dataset.splits.values() for text in split["source"]]
    assert len(set(days)) == len(set(texts)) == 9000
    assert min(days) >= "1900-01-01" and max(days) <= "2099-12-31"
    for split in dataset.splits.values():
        ways = Counter(
            pattern
            for text, day in zip(*split.values(), strict=True)
            for pattern in ENGLISH + KOREAN
            if write(date.fromisoformat(day), pattern) == text
        )
        assert set(ways) == {*ENGLISH, *KOREAN}


def test_the_dataset_depends_on_the_seed(dataset):
    assert zoo.data.load("generated_dates", seed=0) == dataset
    assert dataset.digest.startswith("2aa62d44f703")
    small = zoo.data.load("generated_dates", train=20, dev=2, test=0, seed=1)
    assert list(small.splits) == ["train", "dev"] and len(small.splits["train"]["source"]) == 20
    assert small.digest != zoo.data.load("generated_dates", train=20, dev=2, test=0).digest


@pytest.mark.parametrize("options", [{"train": 0}, {"dev": -3}, {"test": -1}, {"train": "many"}])
def test_sizes_are_whole_numbers(options):
    with pytest.raises(ValueError, match="whole number of at least.*Received"):
        zoo.data.load("generated_dates", **options)


def test_more_rows_than_days_are_refused():
    whole = zoo.data.load("generated_dates", train=73_047, dev=1, test=1)
    assert len(set(whole.splits["train"]["target"])) == 73_047
    with pytest.raises(ValueError, match="must not exceed 73,049 together. Received: train=73048"):
        zoo.data.load("generated_dates", train=73_048, dev=1, test=1)
