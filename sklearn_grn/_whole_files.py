"""Files that are written whole or not at all."""

from __future__ import annotations

import gzip
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4


def write_whole(contents: Mapping[str | os.PathLike[str], bytes]) -> None:
    """Write files, all of them or none; a file that was there stays until the end.

    Each goes to a temporary file in its own folder, which takes the place of the old
    one in a single step once all are on the disk.

    Parameters
    ----------
    contents : mapping of path to bytes
        What each file holds. Where a name ends in ".gz" it is compressed.

    Raises
    ------
    OSError
        If a file cannot be written, or is there and is a folder, a pipe or a device.
        Then nothing has changed.
    """
    # A link is followed, so that it goes on leading where it led.
    drafts = {_draft_of(path := _target(name)): path for name in contents}
    for path in drafts.values():
        _check_replaceable(path)
    try:
        for draft, (name, data) in zip(drafts, contents.items(), strict=True):
            _write(draft, _packed(data) if _is_gzip(name) else data)
        # One call into C: an interrupt comes before the first file or after the last.
        deque(map(os.replace, drafts, drafts.values()), maxlen=0)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that a file could be written, before the work that is to fill it.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    OSError
        If the path is a folder, a pipe or a device, or its folder is not there or is
        not for writing.
    """
    target = _target(path)
    _check_replaceable(target)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {target.parent}; make it")
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"{path}: the folder {target.parent} is not for writing")


def _target(path: str | os.PathLike[str]) -> Path:
    return Path(os.path.realpath(path))


def _check_replaceable(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        # A file would take its place, that of /dev/null for instance.
        raise FileExistsError(f"{path} is a pipe or a device; name a file")


def _draft_of(path: Path) -> Path:
    # The start of the name only, since some systems stop at 255 bytes.
    return path.with_name(f".{path.name[:40]}.{uuid4().hex}")


def _write(draft: Path, data: bytes) -> None:
    # With the permissions that any new file gets, which `tempfile` would not give.
    with open(draft, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _is_gzip(name: str | os.PathLike[str]) -> bool:
    return Path(name).suffix.lower() == ".gz"


def _packed(data: bytes) -> bytes:
    # Without a time in it, so that the same network gives the same bytes.
    return gzip.compress(data, mtime=0)
