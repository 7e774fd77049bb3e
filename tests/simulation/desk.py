"""The hospital's own insurance desk: what it composes in the national interface's words.

It knows what its pages show of the platform: the number of a visit, of a settlement, of a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.fsi.definitions import Definitions
from gateway.fsi.profiles import load_profile
from gateway.fsi.samples import sample_input
from tests.simulation.platform import EVERYTHING
from tests.simulation.registry import BOUGHT

Item = tuple[str, str, str]
"""Number of a line, the hospital's item, yuan."""

_PROFILE = load_profile("generic")
_INFNOS = ("2101", "2102", "2204", "2301", "2304", "2401", "2402", "2403", "4101")
_SAMPLES = {
    infno: sample_input(
        Definitions.load(_PROFILE.edition), _PROFILE, infno, rows=1, required_only=True
    )
    for infno in _INFNOS
}
"""Inputs that have what the definitions require."""


def admission(psn_no: str, number: str) -> dict[str, Any]:
    """2401."""
    return _about("2401", psn_no=psn_no, ipt_no=number)


def update(psn_no: str, mdtrt_id: str, number: str) -> dict[str, Any]:
    """2403."""
    return _about("2403", psn_no=psn_no, mdtrt_id=mdtrt_id, ipt_otp_no=number)


def discharge(psn_no: str, mdtrt_id: str) -> dict[str, Any]:
    """2402."""
    return _about("2402", psn_no=psn_no, mdtrt_id=mdtrt_id)


def undischarge(psn_no: str, mdtrt_id: str) -> dict[str, Any]:
    """2405, and 2404 of an admission."""
    return {"data": {"psn_no": psn_no, "mdtrt_id": mdtrt_id}}


def charges(
    infno: str, psn_no: str, mdtrt_id: str, lines: Sequence[Item], batch: str
) -> dict[str, Any]:
    """2204 or 2301."""
    (row,) = _SAMPLES[infno]["feedetail"]
    ids = {"psn_no": psn_no, "mdtrt_id": mdtrt_id}
    found = []
    for number, item, amount in lines:
        line = {"feedetl_sn": number, "medins_list_codg": item, "rx_circ_flag": "0"}
        sums = {"det_item_fee_sumamt": amount, "pric": amount, "cnt": "1"}
        found.append({**row, **ids, **line, **sums, **({"chrg_bchno": batch} if batch else {})})
    if infno == "2301":
        for line in found:
            del line["rx_circ_flag"]
    return {"feedetail": found}


def withdrawal(infno: str, psn_no: str, mdtrt_id: str, batch: str) -> dict[str, Any]:
    """2205 of a batch, or 2302, of everything that is not settled."""
    ids = {"psn_no": psn_no, "mdtrt_id": mdtrt_id}
    if infno == "2205":
        return {"data": {**ids, "chrg_bchno": batch or EVERYTHING}}
    return {"data": [{**ids, "feedetl_sn": EVERYTHING}]}


def purchase(infno: str, psn_no: str, lines: Sequence[Item], total: str) -> dict[str, Any]:
    """2101 or 2102."""
    ids = {"psn_no": psn_no, "mdtrt_cert_no": psn_no, "med_type": BOUGHT}
    content = _about(infno, **ids, medfee_sumamt=total)
    (row,) = content["drugdetail"]
    found = []
    for number, item, amount in lines:
        line = {"feedetl_sn": number, "medins_list_codg": item, "rx_circ_flag": "0"}
        found.append({**row, **line, "det_item_fee_sumamt": amount, "pric": amount, "cnt": "1"})
    return {**content, "drugdetail": found}


def settlement(psn_no: str, mdtrt_id: str, total: str) -> dict[str, Any]:
    """2304."""
    return _about("2304", psn_no=psn_no, mdtrt_id=mdtrt_id, medfee_sumamt=total)


def settlement_list(psn_no: str, mdtrt_id: str, setl_id: str) -> dict[str, Any]:
    """4101."""
    return _about("4101", psn_no=psn_no, mdtrt_id=mdtrt_id, setl_id=setl_id)


def _about(infno: str, **values: str) -> dict[str, Any]:
    """The sample with other values in the fields that it has."""

    def row(sample: dict[str, Any]) -> dict[str, Any]:
        found = {code: values.get(code, value) for code, value in sample.items()}
        return {code: str(value) for code, value in found.items()}

    return {
        name: [row(each) for each in node] if isinstance(node, list) else row(node)
        for name, node in _SAMPLES[infno].items()
    }
