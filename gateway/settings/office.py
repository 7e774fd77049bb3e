"""The sections of the gateway's own work: reconciliation, clearing, settlement lists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.base import Section

ICUType = Literal["1", "2", "3", "4", "5", "6", "9"]
"""Dictionary `icu_type`: CCU, NICU, EICU, SICU, PICU, RICU, other."""
NursingDays = Literal[
    "spga_nurscare_days", "lv1_nurscare_days", "scd_nurscare_days", "lv3_nurscare_days"
]
"""Days of special, first, second and third level nursing."""


class ReconciliationSettings(Section):
    """`[reconciliation]`: our settlements against the centre's books (3201, 3202)."""

    enabled: bool = False
    """True reconciles every day by itself; `gateway reconcile run` works without."""
    at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "02:30"
    """Time of day (China Standard Time) from which the day before is reconciled."""
    catch_up_days: Annotated[int, Field(ge=1, le=366)] = 31
    """Days back that are caught up, and looked at again while they have differences."""
    retry_minutes: float = 30.0
    """Minutes before a day that got no answer is asked for again."""
    insutypes: list[str] = ["310", "390"]
    """Insurance types asked for beside those of our own settlements."""
    clr_types: list[str] = []
    """Clearing classes asked for beside those of our own settlements and earlier reports."""
    setl_optins: list[str] = []
    """Clearing centres asked for beside those of our own settlements and earlier reports."""
    keep_days: Annotated[int, Field(ge=0)] = 0
    """Days after which the report of a day that balances is emptied; 0 keeps it for ever."""
    folder: Path = Path("reconciliation")
    """Folder of the detail and result files; they hold person numbers."""


class ClearingSettings(Section):
    """`[clearing]`: monthly clearing of patients insured elsewhere (3260, 3261, 3262)."""

    account_in_payment: bool = True
    """True compares `optins_pay_sumamt` with funds and personal account, false with funds alone."""
    cross_province: bool = False
    """True expects patients of other provinces in 3260 too, not only those of other cities."""


class SettlementListSettings(Section):
    """`[settlement_list]`: settlement lists (4101 to 4105)."""

    infno: Literal["4101", "4101A"] = "4101"
    """The transaction that takes the list: 4101, or the earlier 4101A where the region has it."""
    additions: dict[str, str] = {}
    """Fields of `setlinfo` that are the same in every list: `{medins_fill_dept = "病案科"}`."""
    intensive_care: dict[str, ICUType] = {}
    """Wards of intensive care by the hospital's own code (PV1-3, Location), or by institution code
    and ward with `/` between them, and the type of each (`icu_type`): `{CCU = "1", ICU = "9"}`."""
    nursing: dict[str, NursingDays] = {}
    """Charge items of nursing by the day, by the hospital's own code, and the field of the list
    that their quantities add up to: `{HL001 = "lv1_nurscare_days"}`."""
    ventilation: list[Annotated[str, Field(min_length=1)]] = []
    """Beginnings of national codes of procedures that ventilate: how long they took together is
    `vent_used_dura`. `["96.7"]` is invasive ventilation of ICD-9-CM-3."""
