"""Patterns and words of `zoo.data.generated_pronouns`.

A frame tells what happened to two things, A and B, and ends with a clause on one of them. The last
of its verbs, the last pair of its endings and the last `HELD_OUT` of its nouns can be held out.
"""

from dataclasses import dataclass

HELD_OUT = 3  # nouns of each list

Nouns = tuple[str, ...]


@dataclass(frozen=True)
class Frame:
    """Sentences on two things.

    Attributes:
        patterns: `{A}` and `{B}` are the things, `{who}` a person, `{liquid}` a liquid, with a
            Korean particle before the bracket, `{verb}` a verb and `{end}` an ending.
        verbs: The verbs.
        first: The nouns of A.
        second: The nouns of B.
        endings: Pairs of endings that are true of A, and of B.
    """

    patterns: tuple[str, ...]
    verbs: tuple[str, ...]
    first: Nouns
    second: Nouns
    endings: tuple[tuple[str, str], ...]


CONTAINERS_KO = ("주전자", "컵", "병", "냄비", "대접", "물통", "유리잔", "바가지", "양동이",
                 "항아리", "머그잔", "보온병")  # fmt: skip
THINGS_KO = ("책", "우산", "인형", "트로피", "노트북", "담요", "바이올린", "액자", "신발",
             "기타", "망원경", "꽃병")  # fmt: skip
BAGS_KO = ("가방", "상자", "서랍", "배낭", "바구니", "트렁크", "사물함", "봉투", "주머니",
           "캐리어", "금고", "찬장")  # fmt: skip
FRAGILE_KO = ("접시", "거울", "호두", "유리창", "벽돌", "얼음", "도자기", "달걀", "화분",
              "타일", "전구", "조각상")  # fmt: skip
TOOLS_KO = ("망치", "막대기", "국자", "도끼", "주걱", "쇠파이프", "삽", "지팡이", "방망이",
            "곡괭이", "렌치", "몽둥이")  # fmt: skip
SUPPORTS_KO = ("선반", "책상", "의자", "탁자", "받침대", "난간", "사다리", "침대", "수레",
               "발판", "진열대", "뚜껑")  # fmt: skip

CONTAINERS_EN = ("jug", "cup", "bottle", "pot", "bowl", "bucket", "glass", "kettle", "pitcher",
                 "jar", "mug", "flask")  # fmt: skip
THINGS_EN = ("book", "umbrella", "doll", "trophy", "laptop", "blanket", "violin", "frame", "shoe",
             "guitar", "telescope", "vase")  # fmt: skip
BAGS_EN = ("bag", "box", "drawer", "rucksack", "basket", "trunk", "locker", "envelope", "pocket",
           "suitcase", "safe", "cupboard")  # fmt: skip
FRAGILE_EN = ("plate", "mirror", "walnut", "window", "brick", "icicle", "ornament", "egg", "tile",
              "saucer", "lamp", "statue")  # fmt: skip
TOOLS_EN = ("hammer", "stick", "ladle", "axe", "spatula", "pipe", "shovel", "cane", "bat",
            "pickaxe", "wrench", "club")  # fmt: skip
SUPPORTS_EN = ("shelf", "desk", "chair", "table", "stand", "railing", "ladder", "bed", "cart",
               "stool", "rack", "lid")  # fmt: skip

KOREAN = (
    Frame(
        patterns=(
            "{who} {A의} {liquid을} {B에} {verb} . 그것이 {end} 때까지 .",
            "{who} {B에} {A의} {liquid을} {verb} . 그것이 {end} 때까지 .",
        ),
        verbs=("따랐다", "부었다", "쏟았다", "옮겼다", "옮겨 담았다"),
        first=CONTAINERS_KO,
        second=CONTAINERS_KO,
        endings=(("텅 빌", "가득 찰"), ("완전히 빌", "꽉 찰"), ("바닥날", "넘칠")),
    ),
    Frame(
        patterns=("{who} {A의} {liquid으로} {B을} {verb} . 그것이 {end} 때까지 .",),
        verbs=("채웠다", "가득 채웠다"),
        first=CONTAINERS_KO,
        second=CONTAINERS_KO,
        endings=(("텅 빌", "가득 찰"), ("완전히 빌", "꽉 찰"), ("바닥날", "넘칠")),
    ),
    Frame(
        patterns=(
            "{who} {A을} {B에} {verb} 못했다 . 그것이 너무 {end} 때문이다 .",
            "{who} {B에} {A을} {verb} 못했다 . 그것이 너무 {end} 때문이다 .",
        ),
        verbs=("넣지", "담지", "집어넣지"),
        first=THINGS_KO,
        second=BAGS_KO,
        endings=(("컸기", "작았기"), ("길었기", "좁았기"), ("뚱뚱했기", "얕았기")),
    ),
    Frame(
        patterns=(
            "{who} {B으로} {A을} {verb} . 그것이 {end} .",
            "{who} {A을} {B으로} {verb} . 그것이 {end} .",
        ),
        verbs=("내리쳤다", "때렸다", "두드렸다"),
        first=FRAGILE_KO,
        second=TOOLS_KO,
        endings=(("깨졌다", "미끄러졌다"), ("부서졌다", "튕겨 나갔다"), ("갈라졌다", "날아갔다")),
    ),
    Frame(
        patterns=(
            "{who} {A을} {B} 위에 {verb} . 그런데 그것이 너무 {end} .",
            "{who} {B} 위에 {A을} {verb} . 그런데 그것이 너무 {end} .",
        ),
        verbs=("올려놓았다", "놓았다", "얹었다"),
        first=THINGS_KO,
        second=SUPPORTS_KO,
        endings=(("무거웠다", "약했다"), ("컸다", "흔들렸다"), ("육중했다", "부실했다")),
    ),
)

ENGLISH = (
    Frame(
        patterns=(
            "{who} {verb} the {liquid} from the {A} into the {B} until it was {end} .",
            "From the {A} , {who} {verb} the {liquid} into the {B} until it was {end} .",
        ),
        verbs=("poured", "tipped", "moved", "ladled"),
        first=CONTAINERS_EN,
        second=CONTAINERS_EN,
        endings=(("empty", "full"), ("drained", "overflowing"), ("dry", "brimming")),
    ),
    Frame(
        patterns=("{who} {verb} the {B} with {liquid} from the {A} until it was {end} .",),
        verbs=("filled", "loaded"),
        first=CONTAINERS_EN,
        second=CONTAINERS_EN,
        endings=(("empty", "full"), ("drained", "overflowing"), ("dry", "brimming")),
    ),
    Frame(
        patterns=(
            "{who} could not {verb} the {A} into the {B} because it was too {end} .",
            "Into the {B} {who} could not {verb} the {A} because it was too {end} .",
        ),
        verbs=("put", "fit", "squeeze"),
        first=THINGS_EN,
        second=BAGS_EN,
        endings=(("big", "small"), ("long", "narrow"), ("bulky", "shallow")),
    ),
    Frame(
        patterns=(
            "{who} {verb} the {A} with the {B} , and it {end} .",
            "With the {B} , {who} {verb} the {A} , and it {end} .",
        ),
        verbs=("hit", "struck", "knocked"),
        first=FRAGILE_EN,
        second=TOOLS_EN,
        endings=(("shattered", "slipped"), ("broke", "bounced"), ("cracked", "recoiled")),
    ),
    Frame(
        patterns=(
            "{who} {verb} the {A} on the {B} , but it was too {end} .",
            "On the {B} {who} {verb} the {A} , but it was too {end} .",
        ),
        verbs=("put", "set", "placed"),
        first=THINGS_EN,
        second=SUPPORTS_EN,
        endings=(("heavy", "weak"), ("large", "shaky"), ("hefty", "flimsy")),
    ),
)


@dataclass(frozen=True)
class Language:
    """The frames of a language, and the words that are in all of them.

    Attributes:
        frames: The frames.
        people: Subjects.
        liquids: Nouns.
        qualities: Adjectives of things, `""` for none.
        pronoun: The word that refers to A or B.
    """

    frames: tuple[Frame, ...]
    people: tuple[str, ...]
    liquids: tuple[str, ...]
    qualities: tuple[str, ...]
    pronoun: str


LANGUAGES = {
    "ko": Language(
        frames=KOREAN,
        people=("그녀는", "그는", "민수는", "지영이는", "우리 할머니는", "옆집 아이는",
                "어제 그녀는", "오늘 아침 그는", "조금 전에 키 큰 요리사는"),  # fmt: skip
        liquids=("물", "우유", "커피", "주스", "차"),
        qualities=("", "", "", "파란", "빨간", "낡은", "새"),
        pronoun="그것이",
    ),
    "en": Language(
        frames=ENGLISH,
        people=("she", "he", "Mina", "Tom", "my aunt", "the old waiter", "our tall neighbour"),
        liquids=("water", "milk", "coffee", "juice", "tea"),
        qualities=("", "", "", "blue", "red", "old", "new"),
        pronoun="it",
    ),
}  # fmt: skip
