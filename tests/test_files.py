import os
from pathlib import Path

import pytest

from zoo.files import atomic_directory, atomic_write, sha256
from zoo.home import home

pytestmark = pytest.mark.once


def test_home_is_zoo_home_or_a_folder_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "somewhere"))
    assert home() == tmp_path / "somewhere"
    monkeypatch.setenv("ZOO_HOME", "~/elsewhere")
    assert home() == Path.home() / "elsewhere"
    for unset in (
        lambda: monkeypatch.setenv("ZOO_HOME", ""),
        lambda: monkeypatch.delenv("ZOO_HOME"),
    ):
        unset()
        assert home() == Path.home() / ".zoo"


def test_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "abc") == digest


def test_atomic_write_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "weights.h5"
    for content in ("first", "second"):
        with atomic_write(path) as temporary:
            assert temporary.parent == path.parent and temporary.name.endswith("weights.h5")
            assert not temporary.exists()
            temporary.write_text(content)
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_atomic_write_keeps_the_old_file_if_the_block_raises(tmp_path, error):
    path = tmp_path / "state.npz"
    path.write_text("whole")
    with pytest.raises(type(error)), atomic_write(path) as temporary:
        temporary.write_text("ha")
        raise error
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_needs_a_file(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a"):
        pass
    with pytest.raises(IsADirectoryError, match="Received"), atomic_write(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_atomic_write_on_a_full_disk_keeps_the_old_file(tmp_path):
    path = tmp_path / "state.json"
    path.write_text("whole")
    with pytest.raises(OSError, match="No space left"), atomic_write(path) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("x")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_directory_appears_complete(tmp_path):
    path = tmp_path / "new" / "preset"
    with atomic_directory(path) as temporary:
        (temporary / "assets").mkdir()
        (temporary / "assets" / "a").write_text("1")
        assert not path.exists()
    assert (path / "assets" / "a").read_text() == "1"
    assert list(path.parent.iterdir()) == [path]


def test_atomic_directory_replaces_only_with_overwrite(tmp_path):
    path = tmp_path / "preset"
    path.mkdir()
    with atomic_directory(path) as temporary:  # an empty one is replaced
        (temporary / "a").write_text("1")
    ran = False
    with pytest.raises(FileExistsError, match="overwrite=True"), atomic_directory(path):
        ran = True
    assert not ran
    with atomic_directory(path, overwrite=True) as temporary:
        (temporary / "b").write_text("2")
        assert (path / "a").exists()
    assert [file.name for file in path.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_directory_refuses_a_directory_created_meanwhile(tmp_path):
    path = tmp_path / "preset"
    with pytest.raises(FileExistsError), atomic_directory(path) as temporary:
        (temporary / "a").write_text("late")
        path.mkdir()
        (path / "a").write_text("early")
    assert (path / "a").read_text() == "early"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_directory_is_removed_if_the_block_raises(tmp_path):
    path = tmp_path / "preset"
    path.mkdir()
    (path / "a").write_text("old")
    with pytest.raises(RuntimeError), atomic_directory(path, overwrite=True) as temporary:
        (temporary / "a").write_text("new")
        raise RuntimeError
    assert (path / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_directory_restores_the_old_one_if_renaming_fails(tmp_path, monkeypatch):
    path = tmp_path / "preset"
    path.mkdir()
    (path / "a").write_text("old")
    rename = os.rename

    def fail(source, target):
        if Path(target) == path and Path(source, "a").read_text() == "new":
            raise OSError("cannot")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with (
        pytest.raises(OSError, match="cannot"),
        atomic_directory(path, overwrite=True) as temporary,
    ):
        (temporary / "a").write_text("new")
    assert (path / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_directory_never_replaces_a_file_or_a_link(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with (
            pytest.raises(FileExistsError, match="file or a link"),
            atomic_directory(tmp_path / name, overwrite=True),
        ):
            pass
    assert (tmp_path / "file").read_text() == "x"
