"""explain, rerun, halt, resume, account."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from tidemill.cli.options import JsonPath, write_json

console = Console()
account_app = typer.Typer(help="Accounts and their cash.", no_args_is_help=True)
Because = Annotated[str, typer.Option("--because", help="Why; kept in the ledger.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(explain)
    app.command()(rerun)
    app.command()(halt)
    app.command()(resume)


def explain(
    identity: Annotated[str, typer.Argument(metavar="ID", help="An order (ours or the venue's id) or a decision.")],
    json: JsonPath = None,
) -> None:
    """Show everything behind an order: fills, limits, forecast, features, model, data, raw answers."""
    from tidemill import lineage
    from tidemill.bootstrap import services
    from tidemill.replay.screen import lineage_tree

    svc = services()
    explanation = lineage.explain(
        identity, ledger=svc.stores.ledger, payloads=svc.stores.market, account=svc.settings.account
    )
    write_json(json, explanation.to_json())
    console.print(lineage_tree(explanation.to_json()))


def rerun(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="A decision's id.")], json: JsonPath = None
) -> None:
    """Make a recorded decision again from stored inputs and compare every number; exit 1 on a difference."""
    from tidemill.operations.account import rerun_decision

    result = rerun_decision(decision)
    write_json(json, result.to_json())
    verdict = "[green]the same[/green]" if result.same else "[red]DIFFERENT[/red]"
    console.print(
        f"decision {result.decision_id}: {verdict}, {result.promise} "
        f"({result.features} features, {result.intents} intents compared)"
    )
    for difference in result.differences:
        console.print(f"  {difference}")
    raise typer.Exit(0 if result.same else 1)


def halt(
    because: Because,
    flatten: Annotated[bool, typer.Option("--flatten", help="First sell all positions.")] = False,
) -> None:
    """Stop everything at once; works without a Prefect server. Resume with: tidemill resume --because ..."""
    from tidemill.operations.account import halt_now

    _say(halt_now(because, flatten=flatten))


def resume(
    scope: Annotated[str, typer.Argument(metavar="INSTRUMENT|ACCOUNT", help="Empty: the halt.")] = "*",
    *,
    because: Because,
    accept_venue: Annotated[bool, typer.Option("--accept-venue", help="Take over what the venue tells first.")] = False,
) -> None:
    """Lift a halt or a freeze, with a person's reason."""
    from tidemill.operations.account import resume_scope

    _say(resume_scope(scope, because, accept_venue=accept_venue))


@account_app.command("open")
def open_account(
    cash: Annotated[
        list[str] | None, typer.Option("--cash", help="ASSET=AMOUNT; repeat. Default: what the venue says.")
    ] = None,
) -> None:
    """Record the account's opening balances in the ledger, once."""
    from tidemill.operations.account import open_settings_account

    _say(open_settings_account(cash or []))


Amount = Annotated[str, typer.Argument(metavar="ASSET=AMOUNT", help="What moved, such as USDT=250.50.")]
Transfer = Annotated[str, typer.Option("--id", help="Its name at the venue; the same one is booked once.")]


@account_app.command("deposit")
def deposit(amount: Amount, *, because: Because, name: Transfer = "") -> None:
    """Book what came into the account at the venue, so that ledger and venue agree."""
    from tidemill.operations.account import book_cash

    _say(book_cash("deposit", amount, because, name))


@account_app.command("withdraw")
def withdraw(amount: Amount, *, because: Because, name: Transfer = "") -> None:
    """Book what left the account at the venue; the amount is positive."""
    from tidemill.operations.account import book_cash

    _say(book_cash("withdrawal", amount, because, name))


@account_app.command("adjust")
def adjust(amount: Amount, *, because: Because, name: Transfer = "") -> None:
    """Book any other change, such as an airdrop or interest; a loss is negative (write -- before it)."""
    from tidemill.operations.account import book_cash

    _say(book_cash("adjustment", amount, because, name))


def _say(result: object) -> None:
    console.print(result if isinstance(result, str) else str(result), soft_wrap=True)
