"""Files are written whole or not at all."""

import os
import stat

import pytest

from sklearn_grn._whole_files import check_writable, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_hold_what_they_were_given(tmp_path):
    write_whole({tmp_path / "a": b"one", str(tmp_path / "b"): b"two"})
    assert [(tmp_path / name).read_bytes() for name in names(tmp_path)] == [
        b"one",
        b"two",
    ]


def test_a_file_that_was_there_is_replaced(tmp_path):
    (tmp_path / "a").write_bytes(b"before, and longer")
    write_whole({tmp_path / "a": b"after"})
    assert (tmp_path / "a").read_bytes() == b"after"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_nothing_changes_where_a_file_cannot_be_written(tmp_path, monkeypatch, failing):
    (tmp_path / "a").write_bytes(b"before")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    if failing == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
        contents = {tmp_path / "a": b"after"}
    else:
        contents = {tmp_path / "a": b"after", tmp_path / "no folder" / "b": b""}
    with pytest.raises(OSError, match="No "):
        write_whole(contents)
    assert (tmp_path / "a").read_bytes() == b"before"
    assert names(tmp_path) == ["a"]


def test_drafts_go_when_the_work_is_interrupted(tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole({tmp_path / "a": b"after"})
    assert names(tmp_path) == []


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"before")
    seen = []

    def look(file):
        seen.append((tmp_path / "a").read_bytes())

    monkeypatch.setattr(os, "fsync", look)
    write_whole({tmp_path / "a": b"after"})
    assert seen == [b"before"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_permissions_are_those_of_a_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_whole({tmp_path / "a": b""})
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "plain")]
    assert modes[0] == modes[1]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_goes_on_leading_where_it_led(tmp_path):
    (tmp_path / "there").write_bytes(b"before")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    write_whole({tmp_path / "link": b"after"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_bytes() == b"after"


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("n" * 251 + ".csv")
    write_whole({path: b"x"})
    assert path.read_bytes() == b"x"


def test_folders_that_are_not_there_are_found_out_before(tmp_path):
    check_writable(tmp_path / "a")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*; make it"):
        check_writable(tmp_path / "none" / "a")
    with pytest.raises(IsADirectoryError, match="is a folder; name a file in it"):
        check_writable(tmp_path)
