"""Pages that a SQLite file's write-ahead log holds, read off its frames without opening the database.

A checkpoint that a full disk broke off leaves a file that says how long it shall be, but is shorter; all that it lacks
stands in the log, which SQLite copies again as soon as there is room.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

HEAD_BYTES, FRAME_BYTES = 32, 24


def logged_pages(path: Path) -> frozenset[int]:
    """Numbers (from 1) of the pages in committed frames of the log beside ``path``; none when there is no log."""
    pages: set[int] = set()
    pending: list[int] = []
    for page, commits in _frames(path.with_name(f"{path.name}-wal")):
        pending.append(page)
        if commits:
            pages.update(pending)
            pending.clear()
    return frozenset(pages)


def _frames(log: Path) -> Iterator[tuple[int, bool]]:
    """The page of each frame, and whether a transaction ends with it; frames of an older use of the log are none."""
    if not log.exists():
        return
    with log.open("rb") as file:
        head = file.read(HEAD_BYTES)
        size, salt = int.from_bytes(head[8:12], "big"), head[16:24]
        end = log.stat().st_size
        at = HEAD_BYTES
        while len(head) == HEAD_BYTES and at + FRAME_BYTES + size <= end:
            file.seek(at)
            frame = file.read(FRAME_BYTES)
            if frame[8:16] != salt:
                return
            yield int.from_bytes(frame[:4], "big"), frame[4:8] != b"\x00\x00\x00\x00"
            at += FRAME_BYTES + size
