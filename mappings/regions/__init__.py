"""Region and pooling tables."""

from mappings.regions.model import PoolingRule, PoolLevel, Region
from mappings.regions.table import RegionCause, RegionError, RegionTable, Remark, RouteClass

__all__ = [
    "PoolLevel",
    "PoolingRule",
    "Region",
    "RegionCause",
    "RegionError",
    "RegionTable",
    "Remark",
    "RouteClass",
]
