"""`tidemill up` beside another one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tidemill.domain.errors import ConfigurationError
from tidemill.replay.prefect_server import PrefectServer
from tidemill.replay.up import alone_in


def test_one_folder_has_one_up_at_a_time(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        with pytest.raises(ConfigurationError, match="runs already in"), alone_in(tmp_path):
            pass
        (tmp_path / "other").mkdir()
        with alone_in(tmp_path / "other"):
            pass
    with alone_in(tmp_path):
        pass


def test_a_server_is_not_started_where_another_answers(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = PrefectServer(tmp_path, port=other.getsockname()[1])
        with pytest.raises(ConfigurationError, match="is taken"):
            server.start()
        assert server.pid is None
