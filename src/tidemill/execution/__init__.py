"""Approved targets become intents, placed exactly once, followed to their end, and reconciled."""

from tidemill.execution.acceptance import accept_differences
from tidemill.execution.desk import Desk
from tidemill.execution.lease import hold_lease
from tidemill.execution.open_orders import await_fills, cancel_resting, reduce_to_cash, resolve_open_orders, sync_fills
from tidemill.execution.order_plan import DecisionKey, OrderPlan, allow_buys, cap_price, plan_orders
from tidemill.execution.placement import place_order, resolve_order
from tidemill.execution.reconciliation import Difference, compare_account, compare_balances, freeze_differences
from tidemill.execution.replacement import cancel_order, replace_order

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
    "resolve_open_orders",
    "resolve_order",
    "sync_fills",
]
