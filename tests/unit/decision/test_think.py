"""A decision is put together in one place: no second one may grow beside it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STEPS = ("build_features", "make_forecasts", "size_positions", "apply_limits", "plan_orders")
THINK = "src/tidemill/decision/draft.py:think"
# Single steps elsewhere: a table of many points at once, and a strategy that is asked without anything being decided.
ALONE = {
    "build_features": {
        "src/tidemill/backtest/history.py:_features",
        "src/tidemill/model_training/candidates.py:build_training_table",
        "src/tidemill/strategies/examination.py:_table",
    },
    "make_forecasts": {"src/tidemill/strategies/examination.py:_answer"},
}


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for folder in ("src", "flows", "tasks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef):
                    yield f"{path.relative_to(ROOT).as_posix()}:{node.name}", node


def called_in(function: ast.AST) -> list[str]:
    """Steps called by their name, plain or as an attribute, in the order of the source."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    names = [(call.lineno, call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "")) for call in calls]
    return [name for _, name in sorted(names) if name in STEPS]


def test_the_steps_follow_one_another_in_one_function_only() -> None:
    several = {where: called_in(node) for where, node in functions() if len(called_in(node)) > 1}
    assert several == {THINK: list(STEPS)}


@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_called_by_think_and_else_by_doors_of_its_own_name(step: str) -> None:
    callers = {where for where, node in functions() if step in called_in(node) and node.name != step}
    assert callers == {THINK} | ALONE.get(step, set())


def test_flow_backtest_rerun_and_halt_think_by_the_same_function() -> None:
    import flows.trade
    import tasks.halt
    import tidemill.backtest.run
    import tidemill.decision
    import tidemill.lineage.reruns

    think = tidemill.decision.think
    assert flows.trade.think is think
    assert tidemill.backtest.run.think is think
    assert tidemill.lineage.reruns.think is think
    assert tasks.halt.deciding.think is think


@pytest.mark.parametrize("step", STEPS)
def test_each_step_has_one_name_and_one_signature_at_every_door(step: str) -> None:
    """The tasks of the flow, which the UI shows, take what the plain steps take."""
    from tasks import decision as tasks
    from tidemill.decision import PlainSteps, Steps

    task = getattr(tasks, step)
    plain = list(inspect.signature(getattr(PlainSteps, step)).parameters)[1:]
    assert task.name == step
    assert list(inspect.signature(task.fn).parameters) == plain
    assert list(inspect.signature(getattr(Steps, step)).parameters)[1:] == plain
