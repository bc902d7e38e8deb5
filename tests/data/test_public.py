import dataclasses
import functools
import gzip
import http.server
import io
import itertools
import os
import subprocess
import sys
import tarfile
import threading

import pytest

import zoo.data
from zoo.data import registry, tiny_shakespeare
from zoo.data.dataset import RemoteFile, content_digest
from zoo.data.imdb import Imdb
from zoo.data.multi30k import Multi30k
from zoo.data.nsmc import Nsmc
from zoo.data.sst2 import Sst2
from zoo.data.tatoeba import TatoebaKorEng
from zoo.data.wikitext2 import WikiText2
from zoo.files import sha256

pytestmark = pytest.mark.once

FILMS = [(f"영화 {i} 좋다", "positive") for i in range(6)] + [
    ("별로", "negative"),
    ("", "negative"),
]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZOO_DATA", raising=False)
    return tmp_path / "home"


@pytest.fixture
def site(tmp_path):
    """A folder, and the address of a local server of its files."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def columns(rows):
    return {"text": [text for text, _ in rows], "label": [label for _, label in rows]}


def nsmc_bytes(rows=FILMS):
    lines = [f"{i}\t{text}\t{int(label == 'positive')}" for i, (text, label) in enumerate(rows)]
    return ("\n".join(["id\tdocument\tlabel", *lines]) + "\n").encode()


def substitute(monkeypatch, dataset, site, digests, dev_size=0, pinned=True):
    """Replaces a dataset in the registry by one with local addresses and the given digests."""
    folder, address = site
    files = tuple(
        RemoteFile(file.name, f"{address}/{file.name}", pinned and sha256(folder / file.name))
        for file in dataset.card.files
    )
    card = dataclasses.replace(dataset.card, files=files, digests=digests)
    small = type("Small", (dataset,), {"card": card, "dev_size": dev_size})
    monkeypatch.setitem(registry._DATASETS, card.name, small)


@pytest.fixture
def small_nsmc(monkeypatch, site):
    for name in ("ratings_train.txt", "ratings_test.txt"):
        (site[0] / name).write_bytes(nsmc_bytes())
    digest = content_digest(columns(FILMS))
    substitute(monkeypatch, Nsmc, site, {"train": digest, "test": digest}, dev_size=2)
    return site


def test_files_are_downloaded_once(small_nsmc, home, capsys):
    assert zoo.data.path("nsmc") is None
    folder = zoo.data.get("nsmc")
    assert folder == home / "data" / "nsmc" == zoo.data.path("nsmc")
    assert sorted(os.listdir(folder)) == ["ratings_test.txt", "ratings_train.txt"]
    assert os.listdir(home / "data") == ["nsmc"]
    assert "ratings_train.txt" in capsys.readouterr().err
    for file in small_nsmc[0].iterdir():
        file.unlink()
    dataset = zoo.data.load("nsmc")
    assert {name: len(split["text"]) for name, split in dataset.splits.items()} == {
        "train": 6,
        "dev": 2,
        "test": 8,
    }
    assert columns(FILMS) == dataset.splits["test"]
    assert dataset.labels == ("negative", "positive")


def test_the_folder_in_zoo_data_precedes_the_cache(small_nsmc, home, tmp_path, monkeypatch):
    zoo.data.get("nsmc")
    shared = tmp_path / "shared" / "nsmc"
    shared.mkdir(parents=True)
    monkeypatch.setenv("ZOO_DATA", str(shared.parent))
    (shared / "ratings_train.txt.gz").write_bytes(gzip.compress(nsmc_bytes()))
    assert zoo.data.path("nsmc") == home / "data" / "nsmc"  # the test split is not there
    (shared / "ratings_test.txt").write_bytes(nsmc_bytes())
    assert zoo.data.path("nsmc") == zoo.data.get("nsmc") == shared
    assert zoo.data.load("nsmc").splits["test"] == columns(FILMS)


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(small_nsmc, home):
    site, address = small_nsmc
    (site / "ratings_test.txt").write_bytes(nsmc_bytes(FILMS[:-1]))
    with pytest.raises(ValueError, match=f"{address}/ratings_test.txt.*another checksum"):
        zoo.data.get("nsmc")
    assert os.listdir(home / "data") == []


def test_a_missing_remote_file_is_a_connection_error(small_nsmc, home):
    site, address = small_nsmc
    (site / "ratings_test.txt").unlink()
    with pytest.raises(ConnectionError, match=rf"{address}/ratings_test.txt: 404.*\$ZOO_DATA"):
        zoo.data.get("nsmc")
    assert os.listdir(home / "data") == []


def test_an_unreachable_server_is_a_connection_error(small_nsmc, monkeypatch):
    dataset = registry._DATASETS["nsmc"]
    gone = RemoteFile("a", "http://127.0.0.1:9/a", "0" * 64)
    card = dataclasses.replace(dataset.card, files=(gone,))
    monkeypatch.setattr(dataset, "card", card)
    with pytest.raises(ConnectionError, match="http://127.0.0.1:9/a"):
        zoo.data.load("nsmc")


@pytest.mark.parametrize(
    "content, expected",
    [
        (nsmc_bytes(FILMS[::-1]), "not that of nsmc's train split"),
        (b"id\tdocument\tlabel\n1\ta\n", "line 2 has 2 fields"),
        (b"id\tdocument\tlabel\n1\ta\t7\n", "damaged"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_changed_content_is_refused_by_load(small_nsmc, content, expected):
    (zoo.data.get("nsmc") / "ratings_train.txt").write_bytes(content)
    with pytest.raises(ValueError, match=expected) as error:
        zoo.data.load("nsmc")
    assert "ratings_train.txt" in str(error.value) and "zoo data get nsmc" in str(error.value)


def test_a_truncated_gzip_file_is_refused(small_nsmc):
    folder = zoo.data.get("nsmc")
    (folder / "ratings_train.txt").unlink()
    (folder / "ratings_train.txt.gz").write_bytes(gzip.compress(nsmc_bytes())[:-9])
    with pytest.raises(ValueError, match=r"ratings_train.txt.gz is damaged"):
        zoo.data.load("nsmc")


def test_sst2_swaps_the_columns_of_the_published_files(monkeypatch, site, home):
    rows = [("crème brûlée 's fine .", "positive"), ("1 dull film", "negative")]
    for split in ("train", "dev", "test"):
        lines = "".join(f"{int(label == 'positive')} {text}\n" for text, label in rows)
        (site[0] / f"stsa.binary.{split}").write_text(lines, "utf-8")
    digest = content_digest(columns(rows))
    digests = dict.fromkeys(("train", "dev", "test"), digest)
    substitute(monkeypatch, Sst2, site, digests, pinned=None)
    assert zoo.data.load("sst2").splits == dict.fromkeys(digests, columns(rows))
    # The downloaded bytes have no checksum, yet other content is refused.
    (home / "data" / "sst2" / "dev.tsv").unlink()
    (site[0] / "stsa.binary.dev").write_text("<html>sign in</html>\n")
    with pytest.raises(ValueError):
        zoo.data.load("sst2")
    assert os.listdir(home / "data") == ["sst2"]


def archive(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                member.size = len(content.encode())
            tar.addfile(member, None if content is None else io.BytesIO(content.encode()))


def test_imdb_reads_reviews_and_skips_other_members(monkeypatch, site, tmp_path):
    reviews = [
        ("aclImdb/test/pos/10_9.txt", "Ten.<br /><br />Really\tgood "),
        ("aclImdb/train/pos/2_10.txt", "Two"),
        ("aclImdb/train/pos/10_7.txt", "Ten"),
        ("aclImdb/train/neg/0_1.txt", "Néant"),
        ("aclImdb/test/neg/3_4.txt", "Three"),
    ]
    hostile = [
        ("../../escaped.txt", "x"),
        ("/tmp/escaped.txt", "x"),
        ("aclImdb/train/pos/../../../escaped_1.txt", "x"),
        ("aclImdb/train/pos/4_9.txt", None),
        ("aclImdb/train/unsup/5_0.txt", "x"),
        ("aclImdb/train/pos/6_9.txt", "x" * (1 << 21)),
    ]
    archive(site[0] / "aclImdb_v1.tar.gz", reviews + hostile)
    train = [("Néant", "negative"), ("Two", "positive"), ("Ten", "positive")]
    test = [("Three", "negative"), ("Ten. Really good", "positive")]
    digests = {"train": content_digest(columns(train)), "test": content_digest(columns(test))}
    substitute(monkeypatch, Imdb, site, digests, dev_size=1)
    folder = zoo.data.get("imdb")
    assert sorted(os.listdir(folder)) == ["test.tsv", "train.tsv"]
    assert not list(tmp_path.rglob("*escaped*"))
    dataset = zoo.data.load("imdb")
    assert dataset.splits["test"] == columns(test)
    assert len(dataset.splits["train"]["text"]) == 2


PAIRS = list(itertools.permutations(Multi30k.card.languages, 2))


@pytest.fixture
def small_multi30k(monkeypatch, site):
    """Files of three lines; the second of train is empty in English."""
    digests = {}
    for key, name in Multi30k.stored.items():
        split, language = key.split(".")
        lines = [f"{split} {language} {i}\u2028" for i in range(3)]
        if key == "train.en":
            lines[1] = ""
        (site[0] / f"{name}.gz").write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
        digests[key] = content_digest({"text": lines})
    substitute(monkeypatch, Multi30k, site, digests, pinned=None)
    return site


def test_multi30k_pairs_are_aligned(small_multi30k, home):
    for source, target in PAIRS:
        dataset = zoo.data.load("multi30k", source=source, target=target)
        assert dataset.languages == (source, target) and dataset.labels == ()
        assert list(dataset.splits) == ["train", "dev", "test"]
        for split, columns in dataset.splits.items():
            for language, column in ((source, "source"), (target, "target")):
                expected = [f"{split} {language} {i}\u2028" for i in range(3)]
                if (split, language) == ("train", "en"):
                    expected[1] = ""
                assert columns[column] == expected
    assert zoo.data.load("multi30k").languages == ("en", "de")
    assert len(os.listdir(home / "data" / "multi30k")) == 12


def test_each_direction_of_multi30k_has_its_own_digest(small_multi30k):
    digests = {zoo.data.load("multi30k", source=a, target=b).digest for a, b in PAIRS}
    assert len(digests) == 12


def test_a_missing_line_of_multi30k_is_refused(small_multi30k, home):
    folder = zoo.data.get("multi30k")
    (folder / "val.fr.gz").write_bytes(gzip.compress(b"dev fr 0\n"))
    with pytest.raises(ValueError, match="val.fr.gz is not that of multi30k's dev.fr split"):
        zoo.data.load("multi30k", source="fr")
    assert zoo.data.load("multi30k").splits["dev"]["source"][0] == "dev en 0\u2028"


@pytest.mark.parametrize(
    "name, options, has",
    [
        ("multi30k", {"target": "xx"}, "en, de, fr, cs"),
        ("multi30k", {"source": "de"}, "en, de, fr, cs"),
        ("multi30k", {"source": None}, "en, de, fr, cs"),
        ("tatoeba_kor_eng", {"source": "ko"}, "en, ko"),
        ("tatoeba_kor_eng", {"target": "de"}, "en, ko"),
    ],
)
def test_wrong_languages_are_refused(name, options, has):
    with pytest.raises(
        ValueError, match=f"source and target .* {name}, which has {has}. Received: source="
    ):
        zoo.data.load(name, **options)


def test_tatoeba_is_split_by_its_english_and_keeps_the_attribution(monkeypatch, site):
    rows = [("Hi.", "안녕."), ("Shoot!", "쏴!"), ("Go.", "가."), ("Go.", "가!"), ("Run!", "뛰어!")]
    lines = [
        f"{english}\t{korean}\ttatoeba.org #{i} (CM)" for i, (english, korean) in enumerate(rows)
    ]
    (site[0] / "kor.txt").write_text("\n".join(lines) + "\n", "utf-8")
    parts = {"train": rows[2:], "dev": rows[:1], "test": rows[1:2]}  # as the published files
    digests = {
        split: content_digest({"english": [en for en, _ in part], "korean": [ko for _, ko in part]})
        for split, part in parts.items()
    }
    substitute(monkeypatch, TatoebaKorEng, site, digests, pinned=None)
    dataset = zoo.data.load("tatoeba_kor_eng")
    assert dataset.splits["train"] == {
        "source": ["Go.", "Go.", "Run!"],
        "target": ["가.", "가!", "뛰어!"],
    }
    back = zoo.data.load("tatoeba_kor_eng", source="ko", target="en")
    assert back.languages == ("ko", "en") and back.digest != dataset.digest
    assert back.splits["dev"] == {"source": ["안녕."], "target": ["Hi."]}
    stored = (zoo.data.get("tatoeba_kor_eng") / "test.tsv").read_text("utf-8")
    assert stored == "english\tkorean\tattribution\nShoot!\t쏴!\ttatoeba.org #1 (CM)\n"


def test_another_release_of_tatoeba_is_refused(monkeypatch, site, home):
    (site[0] / "kor.txt").write_text("Go.\t가.\tCM\nNew.\t새.\tCM\n", "utf-8")
    substitute(monkeypatch, TatoebaKorEng, site, TatoebaKorEng.card.digests, pinned=None)
    with pytest.raises(ValueError, match="not that of tatoeba_kor_eng's train split"):
        zoo.data.load("tatoeba_kor_eng")
    assert os.listdir(home / "data") == []


def test_unknown_names_and_options_are_refused():
    with pytest.raises(ValueError, match="Did you mean `nsmc`.*zoo data ls.*Received: name='nscm'"):
        zoo.data.load("nscm")
    for function in (zoo.data.get, zoo.data.path):
        with pytest.raises(
            ValueError,
            match="The datasets are atis, behaviour_en, .*, flickr8k",
        ):
            function("squad")
    with pytest.raises(ValueError, match="takes no options. Received: 'seed'"):
        zoo.data.load("nsmc", seed=1)
    with pytest.raises(ValueError, match="takes only source, target. Received: 'src'"):
        zoo.data.load("multi30k", src="en")
    with pytest.raises(ValueError, match="only train, dev, test, seed. Received: 'size'"):
        zoo.data.load("generated_reviews", size=1)


def test_a_generated_dataset_has_no_files():
    assert zoo.data.path("generated_reviews") is None
    with pytest.raises(ValueError, match="zoo.data.load"):
        zoo.data.get("generated_reviews")


def test_generated_datasets_import_nothing_heavy():
    code = (
        "import sys, zoo.data; zoo.data.list_datasets(); zoo.data.load('generated_reviews');"
        "zoo.data.load('generated_dates'); zoo.data.load('generated_slots');"
        "zoo.data.load('generated_scenes', train=1, dev=1, test=0);"
        "print([m for m in ('keras', 'tensorflow', 'numpy', 'pandas', 'pooch', 'requests',"
        " 'conllu') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


REAL = os.environ.get("ZOO_DATA", "")


@pytest.mark.parametrize(
    "name, digest, opening",
    [
        ("nsmc", "d907c964cc79", "아 더빙.. 진짜 짜증나네요 목소리"),
        ("sst2", "cc90d6505692", "a stirring , funny and finally transporting re-imagining of"),
    ],
)
def test_the_published_data(name, digest, opening, monkeypatch):
    monkeypatch.setenv("ZOO_DATA", REAL)
    if not REAL or zoo.data.path(name) is None:
        pytest.skip(f"there is no {name} on this machine")
    dataset = zoo.data.load(name)
    card = next(card for card in zoo.data.list_datasets() if card.name == name)
    assert {split: len(rows["text"]) for split, rows in dataset.splits.items()} == card.splits
    assert dataset.digest.startswith(digest)
    train, dev = (dataset.splits[split]["text"] for split in ("train", "dev"))
    assert not set(train) & set(dev)
    assert train[0].startswith(opening)


@pytest.mark.parametrize(
    "name, source, target, digest, opening",
    [
        ("multi30k", "en", "de", "df92f10e6d96", ("Two young, White", "Zwei junge weiße")),
        ("multi30k", "fr", "cs", "f05dd562237f", ("Deux jeunes hommes", "Dva mladí bílí")),
        ("tatoeba_kor_eng", "en", "ko", "babce869f7d5", ("Go.", "가.")),
        ("tatoeba_kor_eng", "ko", "en", "86f4ba12d065", ("가.", "Go.")),
    ],
)
def test_the_published_translations(name, source, target, digest, opening, monkeypatch):
    monkeypatch.setenv("ZOO_DATA", REAL)
    if not REAL or zoo.data.path(name) is None:
        pytest.skip(f"there is no {name} on this machine")
    dataset = zoo.data.load(name, source=source, target=target)
    card = next(card for card in zoo.data.list_datasets() if card.name == name)
    for column, start in zip(("source", "target"), opening, strict=True):
        sizes = {split: len(columns[column]) for split, columns in dataset.splits.items()}
        assert sizes == card.splits
        assert dataset.splits["train"][column][0].startswith(start)
    assert dataset.digest.startswith(digest)


@pytest.mark.parametrize(
    "name, digest, opening",
    [
        ("chatbot_ko", "68ee0a21cc5e", ("12시 땡!", "하루가 또 가네요.")),
        ("sae4k", "0db8f9b51da0", ("최근 한 달 동안 학교에서", "한달동안 학교에서 메일 온 적")),
    ],
)
def test_the_published_pairs_share_no_text_between_splits(name, digest, opening, monkeypatch):
    monkeypatch.setenv("ZOO_DATA", REAL)
    if not REAL or zoo.data.path(name) is None:
        pytest.skip(f"there is no {name} on this machine")
    dataset = zoo.data.load(name)
    card = next(card for card in zoo.data.list_datasets() if card.name == name)
    assert dataset.languages == ("ko", "ko") and dataset.digest.startswith(digest)
    for column, start in zip(("source", "target"), opening, strict=True):
        texts = {split: columns[column] for split, columns in dataset.splits.items()}
        assert {split: len(rows) for split, rows in texts.items()} == card.splits
        assert any(rows[0].startswith(start) for rows in texts.values())
        for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
            assert not set(texts[one]) & set(texts[other])


def test_damaged_pairs_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    for name, file, content in (
        ("sae4k", "sae4k_v1.txt", "\ufeffa\tb\t0\nc\td\n"),
        ("chatbot_ko", "ChatbotData.csv", "Question,A,label\na,b,0\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(content, "utf-8")
        with pytest.raises(ValueError, match="is damaged"):
            zoo.data.load(name)
        (tmp_path / name / file).write_text(content.replace("d\n", "d\t1\n").replace("uestion", ""))
        with pytest.raises(ValueError, match=f"The content of .* is not that of {name}"):
            zoo.data.load(name)


def test_wikitext2_is_one_text_of_words(monkeypatch, site):
    for split, content in {
        "train": " \n = Title = \n one <unk> \n",
        "valid": "two\n",
        "test": " \n",
    }.items():
        (site[0] / f"{split}.txt").write_text(content)
    texts = {"train": "\n= Title =\none <unk>", "dev": "two", "test": ""}
    digests = {split: content_digest({"text": [text]}) for split, text in texts.items()}
    substitute(monkeypatch, WikiText2, site, digests, pinned=None)
    assert zoo.data.load("wikitext2").splits == {it: {"text": [texts[it]]} for it in texts}


def test_tiny_shakespeare_is_cut_at_characters(monkeypatch, site):
    monkeypatch.setattr(
        tiny_shakespeare, "_CUTS", {"train": (0, 9), "dev": (9, 12), "test": (12, None)}
    )
    (site[0] / "input.txt").write_text("ROMEO:\nO, she doth\n")
    texts = {"train": "ROMEO:\nO,", "dev": " sh", "test": "e doth"}
    digests = {split: content_digest({"text": [text]}) for split, text in texts.items()}
    substitute(monkeypatch, tiny_shakespeare.TinyShakespeare, site, digests, pinned=None)
    assert zoo.data.load("tiny_shakespeare").splits == {it: {"text": [texts[it]]} for it in texts}
