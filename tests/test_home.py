"""The home folder and its sub-folders."""

import re
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
