"""demo, up, venue, backtest, parity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from tidemill.cli.options import Data, End, Every, JsonPath, Start, target, write_json
from tidemill.settings import load_settings

console = Console()
Strategy = Annotated[
    str | None,
    typer.Option("--strategy", help="model, trend, reversion, or a strategy's file (.py); default: the settings'."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(demo)
    app.command()(up)
    app.command()(venue)
    app.command()(backtest)
    app.command()(parity)


def demo(
    data: Data = None,
    strategy: Strategy = None,
    start: Start = None,
    end: End = None,
    every: Every = None,
    json: JsonPath = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the Prefect UI open at the end, until Ctrl-C.")] = False,
) -> None:
    """Replay real prices through the whole pipeline: data, sentiment, training, decisions, paper orders.

    Needs no key and no network. Without options: the last 12 sessions of the bundled daily prices.
    """
    from tidemill.replay.demo import run_demo
    from tidemill.replay.plan import ReplayOptions

    options = ReplayOptions(data=data, strategy=strategy, start=start, end=end, every=every)
    raise typer.Exit(run_demo(options, load_settings(), console=console, json_path=json, keep=keep))


def up(
    port: Annotated[int, typer.Option("--port", help="Port of the Prefect UI; 0: any free one.")] = 4200,
) -> None:
    """Run everything on its schedules until Ctrl-C: Prefect server, runner, paper venue."""
    from tidemill.operations.up import run_up

    raise typer.Exit(run_up(load_settings(), console=console, port=port))


def venue(
    recording: Annotated[
        Path | None,
        typer.Option("--recording", help="Serve the prices of this recording (a TOML file); 'bundled': those shipped."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option("--store", help="Serve the bars of a market store, such as sqlite:///.tidemill/market.db."),
    ] = None,
    live: Annotated[
        str | None,
        typer.Option("--live", help="Serve an exchange's public bars and order books as they are now (a ccxt id)."),
    ] = None,
    live_url: Annotated[
        str, typer.Option("--live-url", help="With --live: ask this base URL, not the exchange's own.")
    ] = "",
    protocol: Annotated[
        str,
        typer.Option("--protocol", help="binance: spot, REST and WebSocket; bybit: v5 spot, REST only, orders acked."),
    ] = "binance",
    clock: Annotated[
        str,
        typer.Option(
            "--clock",
            help="real: prices move with the wall clock, a recording shown as of whole weeks ago; "
            "recorded: they begin with the first bar and stand still until POST /clock moves them.",
        ),
    ] = "real",
    port: Annotated[int, typer.Option("--port", help="Port of REST and WebSocket; 0: any free one.")] = 0,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    beyond_loopback: Annotated[
        bool, typer.Option("--beyond-loopback", help="Allow a --host that other machines can reach.")
    ] = False,
    db: Annotated[
        Path | None,
        typer.Option("--db", help="Keep accounts and orders in this file, across restarts and kills; else in memory."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Part of the ids that the venue makes up for cancels.")] = 0,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Serve https and wss with this certificate chain (PEM).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="The certificate's private key (PEM).")] = None,
    unlimited: Annotated[
        bool, typer.Option("--unlimited", help="Lift the limits on request weight, new orders and messages.")
    ] = False,
) -> None:
    """Run the paper venue alone: a simulated exchange on loopback that speaks Binance spot's protocol, or Bybit's.

    Name one source of prices, and point any client of that exchange at what the first line on stdout says. It is a
    JSON object: "rest", "ws" and "ws_api" are for clients; "admin" with its "token", and the "pid", are for you.

    Orders fill on bars by stated rules, or on an order book while there is one; no order leaves this machine.
    Fees, slippage and the like come from the settings (tidemill.toml). Ctrl-C ends it.

    On the admin URL, with the token in the header X-Admin-Token: POST /accounts opens an account under a key,
    POST /clock moves a recorded clock, POST /book lets a symbol trade on a book, POST /faults makes trouble by
    name (an unknown name lists all), DELETE /faults ends it, GET /truth tells what really happened.

    Try: tidemill venue --recording bundled --clock recorded
    """
    from tidemill.operations.venue import VenueCommand, serve_venue

    command = VenueCommand(
        recording=recording,
        store=store,
        live=live,
        live_url=live_url,
        protocol=protocol,
        clock=clock,
        host=host,
        beyond_loopback=beyond_loopback,
        port=port,
        database=db,
        seed=seed,
        certificate=tls_cert,
        certificate_key=tls_key,
        unlimited=unlimited,
    )
    raise typer.Exit(serve_venue(load_settings(), command))


def backtest(
    data: Data = None,
    strategy: Annotated[
        str, typer.Option("--strategy", help="model, trend, reversion, or a strategy's file (.py).")
    ] = "trend",
    start: Start = None,
    end: End = None,
    every: Every = None,
    speed: Annotated[
        Literal["exact", "fast"],
        typer.Option("--speed", help="exact: order for order as live. fast: compiled loops, trend and reversion only."),
    ] = "exact",
    json: JsonPath = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", callback=target("report"), help="Write a page with all figures and charts to this HTML file."
        ),
    ] = None,
) -> None:
    """Run history through the same stages, execution and matching as live, order for order.

    Verdicts and the page use exact; fast is for looking and comparing, and says how often it was a close call.
    Every run is counted as a trial: the more were made on the same data, the better a result must be.
    """
    from tidemill.bootstrap import Services, SettingsPlanLoader
    from tidemill.replay.screen import show_backtest
    from tidemill.research.report import Backtester
    from tidemill.research.requests import BacktestRequest

    services = Services(load_settings())
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("deciding", total=None)
        backtester = Backtester(
            plan_loader=SettingsPlanLoader.of(services.settings),
            trials=services.stores.trials,
            clock=services.clocks.wall,
        )
        request = BacktestRequest(data=data, start=start, end=end, strategy=strategy, every=every, speed=speed)
        result = backtester.report(
            request,
            page=report,
            on_step=lambda done, total: progress.update(task, completed=done, total=total),
        ).to_json()
    services.close()
    write_json(json, result)
    show_backtest(console, result)
    if report is not None:
        console.print(f"report: {report}")


def parity(
    data: Data = None,
    strategy: Strategy = None,
    start: Start = None,
    end: End = None,
    every: Every = None,
    json: JsonPath = None,
) -> None:
    """Run a period through flows, wire and paper venue, and through the backtest, and compare to the last unit."""
    from tidemill.replay.parity import run_parity
    from tidemill.replay.plan import ReplayOptions

    options = ReplayOptions(data=data, strategy=strategy, start=start, end=end, every=every)
    raise typer.Exit(run_parity(options, load_settings(), console=console, json_path=json))
