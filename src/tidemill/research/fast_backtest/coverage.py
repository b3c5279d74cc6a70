"""What lies outside the fast speed's subset, refused by name before anything is computed."""

from __future__ import annotations

from tidemill.backtest import BacktestPlan
from tidemill.domain.errors import DataError
from tidemill.recording import Recording

STRATEGIES = ("trend", "reversion")


def check_subset(recording: Recording, plan: BacktestPlan) -> None:
    """Raise DataError, naming the thing and the way out, for what the kernels do not cover.

    Covered: the rules `trend` and `reversion`; one spot account in one quote currency; all sizing, limits
    and costs of the settings; LIMIT IOC orders, one per instrument and decision.
    """
    recording.need_no_funding("the fast speed settles no funding")
    rules = plan.rules
    if rules.strategy not in STRATEGIES:
        covered = " and ".join(STRATEGIES)
        raise DataError(
            f"the fast speed has no strategy '{rules.strategy}', it runs {covered}; "
            "use speed exact, which trains models"
        )
    instruments = [rules.instruments[name] for name in rules.universe]
    quotes = sorted({instrument.quote for instrument in instruments})
    bases = [instrument.base for instrument in instruments]
    if len(quotes) > 1:
        raise DataError(f"the fast speed keeps one cash pool, not {', '.join(quotes)}; use speed exact")
    twice = sorted({base for base in bases if bases.count(base) > 1} | ({quotes[0]} & set(bases)))
    if twice:
        raise DataError(f"the fast speed holds each asset once, and {', '.join(twice)} is there twice; use speed exact")
    for name, way in (("spread", "add half of it to slippage, or "), ("impact", ""), ("latency", "")):
        if getattr(plan.fills, name):
            raise DataError(f"the fast speed has no {name}; {way}use speed exact")
    if rules.price_cap_fraction >= 1:
        raise DataError(
            f"a price cap of {rules.price_cap_fraction} lets a sell have no limit price, "
            "which the fast speed does not cover; set risk.price_cap_fraction below 1"
        )


def refuse_late(instrument: str) -> DataError:
    """The refusal of a bar that is known only after the decision that it belongs to.

    Returned, not raised, so that the caller's line says ``raise``.
    """
    return DataError(
        f"{instrument} has a bar that is known after the as_of that decides on it, "
        "which the fast speed does not cover; use speed exact"
    )


def refuse_shared_bar(instrument: str) -> DataError:
    """The refusal of two decisions that would share the volume of one bar.

    The exact speed lets the second order have what the first has not taken; the kernels keep no such count.
    """
    return DataError(f"two decisions fall into one bar of {instrument}, whose volume they would share; use speed exact")
