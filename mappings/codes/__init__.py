"""Dated code tables and translation as of the date of service.

Each code system is a module with the verbs of python-stdnum (compact, validate, is_valid,
format); `CodeBook` translates local codes. docs/reference/codes.md describes the tables.
"""

from mappings.codes.codebook import CodeBook
from mappings.codes.csvfile import Finding
from mappings.codes.tables import ListEntry, MappingRow, NationalList
from mappings.codes.translation import Cause, Method, Translation, Unmapped

__all__ = [
    "Cause",
    "CodeBook",
    "Finding",
    "ListEntry",
    "MappingRow",
    "Method",
    "NationalList",
    "Translation",
    "Unmapped",
]
