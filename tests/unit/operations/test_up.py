"""`tidemill up` beside another one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.venue_wire import running

from tidemill.domain.errors import ConfigurationError
from tidemill.operations.prefect_server import PrefectServer
from tidemill.operations.up import paper_account
from tidemill.operations.up_lock import home_lock, publish_up_info
from tidemill.settings import Settings
from tidemill.settings.running_up import settings_of_running_up


def test_one_folder_has_one_up_at_a_time(tmp_path: Path) -> None:
    with home_lock(tmp_path):
        with pytest.raises(ConfigurationError, match="runs already in"), home_lock(tmp_path):
            pass
        (tmp_path / "other").mkdir()
        with home_lock(tmp_path / "other"):
            pass
    with home_lock(tmp_path):
        pass


def test_a_command_beside_a_running_up_finds_its_venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it a halt in a second terminal could cancel nothing, and stamped another time than the market's."""
    monkeypatch.setenv("PREFECT_API_URL", "restored at the end")
    monkeypatch.delenv("PREFECT_API_URL")
    alone = Settings(home=tmp_path)
    told = {
        "rest_url": "http://127.0.0.1:1",
        "ws_url": "",
        "admin_url": "http://127.0.0.1:2",
        "key": "k",
        "secret": "s",
    }
    with home_lock(tmp_path):
        assert settings_of_running_up(alone) == alone, "it has told nothing yet"
        publish_up_info(tmp_path, {**told, "api_url": "http://127.0.0.1:3/api"})
        assert (tmp_path / "up.json").stat().st_mode & 0o077 == 0, "a key is in it"
        found = settings_of_running_up(alone).venue
        assert (found.rest_url, found.admin_url) == ("http://127.0.0.1:1", "http://127.0.0.1:2")
        assert (found.key.get_secret_value(), found.secret.get_secret_value()) == ("k", "s")
        assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:3/api"
        assert settings_of_running_up(Settings(home=tmp_path, mode="sandbox")).venue.rest_url == ""
        own = Settings(home=tmp_path, venue={"rest_url": "http://127.0.0.1:9"})
        assert settings_of_running_up(own) == own
    assert settings_of_running_up(alone) == alone, "what an up that is gone has left counts for nothing"


@pytest.mark.wire
def test_the_ledgers_log_stays_between_two_flow_runs(tmp_path: Path) -> None:
    """Each flow run is a process; the last one that is connected takes SQLite's log away."""
    url, log = f"sqlite:///{tmp_path / 'ops.db'}", tmp_path / "ops.db-wal"
    run = f"from tidemill.adapters.sql.ledger.ledger import SqlLedger; SqlLedger({url!r}).close()"
    with running() as venue:
        known = {"rest_url": venue.rest_url, "admin_url": venue.admin_url, "name": "SAMPLE"}
        settings = Settings(home=tmp_path, universe=("AAPL-USD.SAMPLE",), venue=known)
        with paper_account(settings):
            subprocess.run([sys.executable, "-c", run], check=True, timeout=60)
            assert log.exists()
        # the control: with nobody connected it goes
        subprocess.run([sys.executable, "-c", run], check=True, timeout=60)
        assert not log.exists()


def test_a_server_is_not_started_where_another_answers(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = PrefectServer(tmp_path, port=other.getsockname()[1])
        with pytest.raises(ConfigurationError, match="is taken"):
            server.start()
        assert server.pid is None


STARTS = """
import sys, time
from pathlib import Path
from tidemill.operations.prefect_server import PrefectServer
from tidemill.operations.up import paper_account
from tidemill.operations.up_lock import home_lock, publish_up_info

server = PrefectServer(Path(sys.argv[1]))
try:
    server.start()
    print(server.pid, flush=True)
    time.sleep(60)
finally:
    server.stop()
"""


def test_a_server_does_not_outlive_who_started_it(tmp_path: Path) -> None:
    """A SIGTERM, as a supervisor sends it, ended demo and up at once and left the Prefect server behind."""
    with subprocess.Popen([sys.executable, "-c", STARTS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        server = int(running.stdout.readline())
        running.send_signal(signal.SIGTERM)
        running.wait(timeout=30)
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
