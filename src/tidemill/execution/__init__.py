"""Approved targets become intents, placed exactly once, settled and reconciled."""

from tidemill.execution.accepting import accept_differences
from tidemill.execution.desk import Desk
from tidemill.execution.leasing import hold_lease
from tidemill.execution.placing import place_order, resolve_order
from tidemill.execution.planning import DecisionKey, OrderPlan, allow_buys, cap_price, plan_orders
from tidemill.execution.reconciling import Difference, compare_account, compare_balances, freeze_differences
from tidemill.execution.replacing import cancel_order, replace_order
from tidemill.execution.settling import await_fills, cancel_resting, reduce_to_cash, settle_account, take_in_fills

__all__ = [
    "DecisionKey",
    "Desk",
    "Difference",
    "OrderPlan",
    "accept_differences",
    "allow_buys",
    "await_fills",
    "cancel_order",
    "cancel_resting",
    "cap_price",
    "compare_account",
    "compare_balances",
    "freeze_differences",
    "hold_lease",
    "place_order",
    "plan_orders",
    "reduce_to_cash",
    "replace_order",
    "resolve_order",
    "settle_account",
    "take_in_fills",
]
