"""Sets proposed by Optuna from what came of those before, instead of every one of a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidemill.research.sweeps.outcomes import Found, Outcome
from tidemill.research.sweeps.spaces import Params

WORST = -1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """``count`` sets between the ends of ``ranges`` (and of ``choices``), ``batch`` at a time, from ``seed``.

    A batch is proposed when the one before it is done. A search that was stopped goes on from all that it has tried.
    """

    ranges: Mapping[str, tuple[float, float]]
    choices: Mapping[str, tuple[float | str, ...]]
    count: int
    batch: int = 8
    seed: int = 0


def propose(search: Search, found: Iterable[Found]) -> list[Params]:
    """The next batch of sets, after ``found``; empty when ``search.count`` have been tried.

    Tree-structured Parzen estimator; a set that failed, or has no Sharpe ratio, counts as the worst.
    """
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    tried = list(found)
    left = min(search.batch, search.count - len(tried))
    if left <= 0:
        return []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space: dict[str, BaseDistribution] = {name: FloatDistribution(*ends) for name, ends in search.ranges.items()}
    space |= {name: CategoricalDistribution(values) for name, values in search.choices.items()}
    sampler = optuna.samplers.TPESampler(seed=search.seed + len(tried), constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for one in tried:
        study.add_trial(optuna.trial.create_trial(params=dict(one.params), distributions=space, value=_value(one)))
    return [dict(study.ask(space).params) for _ in range(left)]


def _value(found: Found) -> float:
    return WORST if not isinstance(found, Outcome) or found.sharpe is None else found.sharpe
