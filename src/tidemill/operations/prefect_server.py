"""A Prefect server of our own: started on a free port, waited for, stopped by its process id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

import requests

from tidemill.domain.errors import ConfigurationError

START_SECONDS = 120.0
LAST_PORT = 65535


def free_port() -> int:
    """A TCP port on loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _check_free(port: int) -> None:
    """Who answers at a taken port is another server, with other runs: it must not be taken for ours."""
    if not 0 < port <= LAST_PORT:
        raise ConfigurationError(f"--port is from 0 (any free one) to {LAST_PORT}, not {port}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} is taken, by another Prefect server perhaps; stop that, or choose another port"
            ) from error


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _end_at_sigterm() -> None:
    """End at a SIGTERM as at Ctrl-C: left alone it would end us at once, and leave the server behind."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _interrupt)


def prefect_environment(home: Path, port: int) -> dict[str, str]:
    """Environment that ties server, runner and flows of one HOME together."""
    return {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "tidemill",
        "PREFECT_CLI_PROMPT": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
    }


class PrefectServer:
    """One server process with its SQLite database below ``home``."""

    def __init__(self, home: Path, *, port: int = 0, services: bool = True) -> None:
        self.home = home
        self.port = port or free_port()
        self.services = services
        self.environment = prefect_environment(home, self.port)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ui_url(self) -> str:
        """Where a person looks."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; its log goes to ``home/prefect-server.log``. ConfigurationError when the port is taken."""
        _check_free(self.port)
        _end_at_sigterm()
        self.home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        if not self.services:
            command.append("--no-services")
        with (self.home / "prefect-server.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter, fixed arguments
                command, env={**os.environ, **self.environment}, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self) -> None:
        """Return once the API answers; ConfigurationError when it does not in two minutes."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                if requests.get(f"{self.ui_url}/api/health", timeout=2).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        raise ConfigurationError(f"the Prefect server did not come up; read {self.home / 'prefect-server.log'}")

    def stop(self) -> None:
        """Stop the process that was started here, gently, then firmly."""
        server, self._process = self._process, None
        if server is None or server.poll() is not None:
            return
        os.killpg(server.pid, signal.SIGINT)
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()

    def leave(self) -> None:
        """Let the process live on after us."""
        self._process = None


def quiet_prefect() -> AbstractContextManager[object]:
    """Heartbeats off and only warnings in the log: a replay makes many short runs."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_LOGGING_LEVEL, temporary_settings

    return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_LEVEL: "WARNING"})
