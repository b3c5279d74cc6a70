"""Sets proposed by Optuna from what came of those before, instead of every one of a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidemill.research.parameter_sets.outcomes import Outcome, SetResult
from tidemill.research.parameter_sets.spaces import Params

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


def propose(search: Search, results: Iterable[SetResult]) -> list[Params]:
    """The next batch of sets, after ``results``; empty when ``search.count`` have been tried.

    Tree-structured Parzen estimator; a set that failed, or has no Sharpe ratio, counts as the worst.
    """
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    tried = list(results)
    missing = min(search.batch, search.count - len(tried))
    if missing <= 0:
        return []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space: dict[str, BaseDistribution] = {name: FloatDistribution(*ends) for name, ends in search.ranges.items()}
    space |= {name: CategoricalDistribution(values) for name, values in search.choices.items()}
    # the seed moves on with what was tried, so that a resumed search proposes what an unbroken one would
    sampler = optuna.samplers.TPESampler(seed=search.seed + len(tried), constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for result in tried:
        trial = optuna.trial.create_trial(params=dict(result.params), distributions=space, value=_value(result))
        study.add_trial(trial)
    return [dict(study.ask(space).params) for _ in range(missing)]


def _value(result: SetResult) -> float:
    return WORST if not isinstance(result, Outcome) or result.sharpe is None else result.sharpe
