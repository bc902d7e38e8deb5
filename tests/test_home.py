"""The home folder and its sub-folders."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo.home import HomeError, home

pytestmark = pytest.mark.once

ROOT = Path(zoo.__file__).parents[1]


def test_home_is_the_environment_variable_or_a_hidden_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.setenv("ZOO_HOME", "")
    assert home() == Path.home() / ".zoo"


def test_docstring_names_every_sub_folder():
    sources = [*(ROOT / "zoo").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]
    code = "\n".join(path.read_text("utf-8") for path in sources)
    used = set(re.findall(r"""home\(\) / ["'](\w+)["']""", code))
    assert used == set(re.findall(r"`(\w+)`\s+\(", home.__doc__))


@pytest.mark.parametrize("value", ["", "~/zoo"])
def test_a_user_without_a_home_folder_is_told_to_set_one(monkeypatch, value):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("ZOO_HOME", value)
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(Path, "expanduser", lambda self: no_home())
    with pytest.raises(HomeError, match=f"set ZOO_HOME.*Received: ZOO_HOME={value}") as caught:
        home()
    assert "ZOO_HOME" in caught.value.hint


WITHOUT_HOME = """
import os, pwd, sys
for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
def unknown(uid):
    raise KeyError("getpwuid(): uid not found")
pwd.getpwuid = unknown
"""
RUN_A_VERB = """
from zoo.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("arguments", "zoo_home", "code", "expected"),
    [
        (["ls"], "", 0, "bilstm"),
        (["infer", "bilstm_bahdanau_sst2_en", "good"], "", 1, "set ZOO_HOME to the path of"),
        (["run", "sentiment/quickstart"], "", 1, "next: export ZOO_HOME="),
        (["infer", "bilstm_bahdanau_sst2_en", "good"], "mine", 0, "positive"),
    ],
)
def test_verbs_of_a_user_without_a_name(tmp_path, arguments, zoo_home, code, expected):
    environment = {name: value for name, value in os.environ.items() if name != "ZOO_HOME"}
    if zoo_home:
        environment["ZOO_HOME"] = str(tmp_path / zoo_home)
    environment["PYTHONPATH"] = str(ROOT)
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_HOME + RUN_A_VERB, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert found.returncode == code, found.stderr
    assert expected in found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"mine"}


@pytest.mark.parametrize("package", ["zoo.models", "zoo.tokenizers"])
def test_imports_of_a_user_without_a_name(tmp_path, package):
    """What a user without a home folder lacks is said, in place of a message about a package."""
    code = f"{WITHOUT_HOME}\nos.environ.pop('ZOO_HOME', None)\nimport {package}"
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.returncode == 1 and "kaggle" not in found.stderr
    assert found.stderr.splitlines()[-1].startswith("zoo.home.HomeError: ")
    assert "set ZOO_HOME" in found.stderr
