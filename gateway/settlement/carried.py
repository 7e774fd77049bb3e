"""Stations 5 and 6 for a transaction that the sender composed itself (national JSON)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from gateway.errors import Problem
from gateway.intents import Intent
from gateway.settlement.inputs import Site
from gateway.settlement.places import check_beside


def _carried_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Findings on a carried input, at their paths in the sender's JSON."""
    return [
        problem.at(f"input.{problem.place}" if problem.place else "input") for problem in problems
    ]


def _carried_rows(carried: dict[str, Any]) -> list[object]:
    """The charge lines of a carried input."""
    rows = carried.get("feedetail")
    return rows if isinstance(rows, list) else [rows] if isinstance(rows, dict) else []


def check_carried(intent: Intent, site: Site, today: date) -> list[Problem]:
    """Give missing national codes and check the input, at paths of the sender's JSON."""
    found = [
        problem.at(f"input.feedetail[{index}].medins_list_codg")
        for index, problem in site.coder.code_carried(_carried_rows(intent.carried), today)
    ]
    unmapped = {problem.place for problem in found}
    checked = _carried_problems(site.checker.check(intent.carried_infno, intent.carried))
    stated = {**intent.carried_header.values, "infno": intent.carried_infno}
    stated["mdtrtarea_admvs"] = site.institution.mdtrtarea_admvs
    stated.setdefault("insuplc_admdvs", intent.person.get("insuplc_admdvs"))
    checked += check_beside(site.checker, stated, intent.carried)
    return found + [
        problem
        for problem in checked
        if problem.place.replace(".med_list_codg", ".medins_list_codg") not in unmapped
    ]
