"""Regions, pooling regions and channels."""

from gateway.routing.payment_place import compare_pay_loc
from gateway.routing.router import Route, Router

__all__ = ["Route", "Router", "compare_pay_loc"]
