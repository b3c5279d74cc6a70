"""A stream that tells what it was given, for tests and replays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidemill.ports import StreamPart


class MemoryStream:
    """The market stream port: the given parts, one after another, and no waiting.

    The wall clock plays no part: a run takes as long as the parts are worked on.
    """

    def __init__(self, parts: Sequence[StreamPart]) -> None:
        self._parts = parts

    def watch(self, instruments: Sequence[str], timeframe: str, *, seconds: float) -> Iterator[StreamPart]:
        """Parts as they come, for ``seconds`` of the wall clock, at least one a second.

        The parts of other instruments are left out.
        """
        del timeframe, seconds
        yield from (part for part in self._parts if not part.instrument or part.instrument in instruments)

    def close(self) -> None:
        """Nothing is open."""
