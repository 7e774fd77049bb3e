"""A platform over real sockets, its clock in the test's hand, and a hospital that calls it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from conformance.platform.client import Client
from conformance.platform.config import PlatformConfig, load_config
from conformance.platform.demo import write_demo
from conformance.platform.server import Platform
from conformance.platform.tables import DATA, read_rows
from gateway.crypto.sm import SigningKey, VerifyKey

CST = timezone(timedelta(hours=8))

PEOPLE = {
    f"P{number}": row for number, (_, row) in enumerate(read_rows(DATA / "persons.csv"), start=1)
}
INSURANCE = {row["psn_no"]: row for _, row in reversed(list(read_rows(DATA / "insurances.csv")))}
"""The first insurance row of each person."""

DEPARTMENT = {"bilg_dept_codg": "A03", "bilg_dept_name": "内科"}
DOCTOR = {"bilg_dr_codg": "D430100000001", "bilg_dr_name": "陈医生"}

CT = "002103000010000"

DAY = [
    ("XJ01CAA040A001010405611", "37.20", "2", "18.600000"),
    ("XA01ABD075A002010100594", "13.80", "1", "13.800000"),
    ("001101000010000", "5.00", "1", "5.000000"),
    ("001102000010000", "20.00", "1", "20.000000"),
    (CT, "260.00", "1", "260.000000"),
]
"""An outpatient day of 336.00: code, amount, quantity, price.

By hand, for a level 3 hospital of 430100: amoxicillin (A) 37.20 in scope. Lozenges (B, a tenth
first, ceiling 12.50): 1.30 over, 1.25 first, 11.25 in scope. Registration (C): 5.00 own.
Consultation (A, ceiling 15): 5.00 over, 15.00 in scope. Tomography (B, a tenth, ceiling 240):
20.00 over, 24.00 first, 216.00 in scope. Sums: 5.00 own, 26.30 over, 25.25 first, 279.45 in scope.
"""

DAY_SUMS = {
    "fulamt_ownpay_amt": Decimal("5.00"),
    "overlmt_selfpay": Decimal("26.30"),
    "preselfpay_amt": Decimal("25.25"),
    "inscp_scp_amt": Decimal("279.45"),
}


class Clock:
    """China Standard Time that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 10, 0, 0, tzinfo=CST)

    def __call__(self) -> datetime:
        return self.now


class Hospital(Client):
    """A client with the inputs of the tests."""

    day = DAY

    async def call(self, infno: str, content: Any, /, *, insuplc: str = "", **changes: Any) -> Any:
        """The output of an accepted transaction; signs in first."""
        if not self.sign_no and infno != "9001":
            await self.sign_in()
        reply = await self.send(infno, content, insuplc=insuplc, **changes)
        if str(reply["infcode"]) != "0":
            raise AssertionError(reply["err_msg"])
        return reply["output"]

    async def refused(
        self, infno: str, content: Any, /, *, insuplc: str = "", **changes: Any
    ) -> str:
        """Why a transaction is refused; signs in first."""
        if not self.sign_no:
            await self.sign_in()
        reply = await self.send(infno, content, insuplc=insuplc, **changes)
        assert (str(reply["infcode"]), reply["output"]) == ("-1", None)
        err_msg = reply["err_msg"]
        assert isinstance(err_msg, str)
        assert err_msg
        return err_msg

    # Inputs -------------------------------------------------------------------------------------

    def certificate(self, psn: str) -> dict[str, str]:
        """The identity card of a person, with what the editions ask beside it."""
        row = PEOPLE[psn]
        return {
            "mdtrt_cert_type": "02",
            "mdtrt_cert_no": row["certno"],
            "psn_cert_type": "01",
            "cert_type": "01",
            "certno": row["certno"],
            "psn_name": row["psn_name"],
            "psn_type": INSURANCE[row["psn_no"]]["psn_type"],
        }

    def who(self, psn: str) -> dict[str, str]:
        """`psn_no` and `insutype`."""
        number = PEOPLE[psn]["psn_no"]
        return {"psn_no": number, "insutype": INSURANCE[number]["insutype"]}

    async def register(self, psn: str, *, number: str = "M1", insuplc: str = "") -> str:
        """2201: the `mdtrt_id`."""
        output = await self.call(
            "2201",
            {
                "data": {
                    **self.who(psn),
                    **self.certificate(psn),
                    "begntime": "2026-03-02 09:30:00",
                    "ipt_otp_no": number,
                    "atddr_no": "D430100000001",
                    "dr_name": "陈医生",
                    "dept_code": "A03",
                    "dept_name": "内科",
                    "caty": "A03",
                }
            },
            insuplc=insuplc,
        )
        mdtrt_id = output["data"]["mdtrt_id"]
        assert isinstance(mdtrt_id, str)
        return mdtrt_id

    async def report(self, psn: str, mdtrt_id: str, *, insuplc: str = "") -> None:
        """2203."""
        content = {
            "mdtrtinfo": {
                "mdtrt_id": mdtrt_id,
                "psn_no": PEOPLE[psn]["psn_no"],
                "med_type": "11",
                "begntime": "2026-03-02 09:30:00",
                "dise_codg": "J06.900",
                "dise_name": "急性上呼吸道感染",
                "birctrl_matn_date": "",
            },
            "diseinfo": [_diagnosis()],
        }
        assert await self.call("2203", content, insuplc=insuplc) == {}

    def lines(
        self,
        psn: str,
        mdtrt_id: str,
        rows: list[tuple[str, str, str, str]],
        *,
        first: int = 1,
        batch: str = "B1",
    ) -> list[dict[str, Any]]:
        """Charge lines of code, amount, quantity and price, numbered from `first`."""
        return [
            {
                "feedetl_sn": number,
                "mdtrt_id": mdtrt_id,
                "psn_no": PEOPLE[psn]["psn_no"],
                "chrg_bchno": batch,
                "dise_codg": "",
                "rxno": "R1",
                "rx_circ_flag": "0",
                "med_type": "2101",
                "fee_ocur_time": "2026-03-02 09:40:00",
                "med_list_codg": code,
                "medins_list_codg": f"L{code[-6:]}",
                "det_item_fee_sumamt": Decimal(amount),
                "cnt": Decimal(quantity),
                "pric": Decimal(price),
                **DEPARTMENT,
                **DOCTOR,
                "hosp_appr_flag": "0",
            }
            for number, (code, amount, quantity, price) in enumerate(rows, start=first)
        ]

    def settlement(self, psn: str, mdtrt_id: str, total: str, /, **changes: Any) -> dict[str, Any]:
        """The input of 2206 and 2207."""
        data = {
            **self.who(psn),
            **self.certificate(psn),
            "med_type": "11",
            "medfee_sumamt": Decimal(total),
            "psn_setlway": "01",
            "mdtrt_id": mdtrt_id,
            "chrg_bchno": "B1",
            "acct_used_flag": "1",
            **DAY_SUMS,
        }
        return {"data": {**data, **changes}}

    async def charged_day(self, psn: str, *, number: str = "M1", insuplc: str = "") -> str:
        """A registered and reported visit with the day's lines; its `mdtrt_id`."""
        mdtrt_id = await self.register(psn, number=number, insuplc=insuplc)
        await self.report(psn, mdtrt_id, insuplc=insuplc)
        content = {"feedetail": self.lines(psn, mdtrt_id, DAY)}
        await self.call("2204", content, insuplc=insuplc)
        return mdtrt_id

    async def admit(self, psn: str, *, number: str = "Z1", insuplc: str = "") -> str:
        """2401: the `mdtrt_id`."""
        content = self.admission(psn, number=number, insuplc=insuplc)
        output = await self.call("2401", content, insuplc=insuplc)
        mdtrt_id = output["result"]["mdtrt_id"]
        assert isinstance(mdtrt_id, str)
        return mdtrt_id

    def admission(self, psn: str, *, number: str = "Z1", insuplc: str = "") -> dict[str, Any]:
        """The input of 2401."""
        return {
            "mdtrtinfo": {
                **self.who(psn),
                **self.certificate(psn),
                "begntime": "2026-02-20 08:00:00",
                "med_type": "2101",
                "ipt_no": number,
                "atddr_no": "D430100000002",
                "chfpdr_name": "刘医生",
                "adm_diag_dscr": "急性阑尾炎",
                "adm_dept_codg": "A04",
                "adm_dept_name": "外科",
                "adm_bed": "1",
                "dscg_maindiag_code": "K35.800x001",
                "dscg_maindiag_name": "急性阑尾炎",
                "insuplc_admdvs": insuplc or self.region,
                "mdtrtarea_admvs": self.region,
            },
            "diseinfo": [{**_diagnosis(), "psn_no": PEOPLE[psn]["psn_no"]}],
        }

    def discharge(self, psn: str, mdtrt_id: str) -> dict[str, Any]:
        """The input of 2402."""
        key = {"mdtrt_id": mdtrt_id, "psn_no": PEOPLE[psn]["psn_no"]}
        return {
            "dscginfo": {
                **key,
                "insutype": self.who(psn)["insutype"],
                "endtime": "2026-03-02 09:00:00",
                "dscg_dept_codg": "A04",
                "dscg_dept_name": "外科",
                "dscg_way": "1",
            },
            "diseinfo": [{**_diagnosis(), **key}],
        }

    def stay_settlement(
        self, psn: str, mdtrt_id: str, total: str, /, *, insuplc: str = "", **changes: Any
    ) -> dict[str, Any]:
        """The input of 2303 and 2304."""
        data = {
            **self.who(psn),
            **self.certificate(psn),
            "medfee_sumamt": Decimal(total),
            "psn_setlway": "01",
            "mdtrt_id": mdtrt_id,
            "acct_used_flag": "0",
            "mid_setl_flag": "0",
            "insuplc_admdvs": insuplc or self.region,
            "mdtrtarea_admvs": self.region,
        }
        return {"data": {**data, **changes}}

    def key(self, psn: str, mdtrt_id: str, **more: str) -> dict[str, Any]:
        """A `data` node of visit and person."""
        return {"data": {"mdtrt_id": mdtrt_id, "psn_no": PEOPLE[psn]["psn_no"], **more}}


def _diagnosis() -> dict[str, Any]:
    return {
        "diag_type": "1",
        "maindiag_flag": "1",
        "diag_srt_no": 1,
        "diag_code": "J06.900",
        "diag_name": "急性上呼吸道感染",
        "diag_dept": "A03",
        "dise_dor_no": "D430100000001",
        "dise_dor_name": "陈医生",
        "diag_time": "2026-03-02 09:35:00",
        "vali_flag": "1",
    }


@pytest.fixture
def clock() -> Clock:
    """The time the platform and the hospital agree on."""
    return Clock()


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo folder; its keys serve every test."""
    folder = tmp_path_factory.mktemp("platform")
    write_demo(folder)
    return folder


@pytest.fixture
def platform_config(demo_folder: Path) -> PlatformConfig:
    """The demo configuration, kept in memory; a test may change it before a platform starts."""
    config = load_config(demo_folder / "platform.json")
    config.database = ""
    return config


@pytest.fixture
def log_lines() -> list[dict[str, Any]]:
    """What the platform logged."""
    return []


class Gate:
    """The waiting of the platform: lasts until the test opens the gate."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.reached.set()
        await self.opened.wait()


@pytest.fixture
def gate() -> Gate:
    """Where the platform waits."""
    return Gate()


@pytest.fixture
async def platform(
    platform_config: PlatformConfig, clock: Clock, gate: Gate, log_lines: list[dict[str, Any]]
) -> AsyncIterator[Platform]:
    """Both centres, listening."""

    def keep(_logger: object, _method: str, event: Any) -> Any:
        log_lines.append(dict(event))
        raise structlog.DropEvent

    log = structlog.wrap_logger(
        None, processors=[keep], wrapper_class=structlog.make_filtering_bound_logger("info")
    )
    running = Platform(platform_config, clock=clock, log=log, sleep=gate)
    await running.start()
    yield running
    await running.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """HTTP connections of the test."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as opened:
        yield opened


def _hospital(
    region: str, platform: Platform, session: aiohttp.ClientSession, folder: Path, clock: Clock
) -> Hospital:
    config = load_config(folder / "platform.json")
    (centre,) = (each for each in config.regions if each.code == region)
    return Hospital(
        session,
        platform.url,
        centre,
        key=SigningKey.from_pem((folder / "keys/gateway.pem").read_bytes()),
        platform_key=VerifyKey.from_pem((folder / f"keys/platform-{region}.pub.pem").read_bytes()),
        clock=clock,
        admin_token=config.admin_token,
    )


@pytest.fixture
def changsha(
    platform: Platform, session: aiohttp.ClientSession, demo_folder: Path, clock: Clock
) -> Hospital:
    """The demo hospital at its centre, region 430100."""
    return _hospital("430100", platform, session, demo_folder, clock)


@pytest.fixture
def shenzhen(
    platform: Platform, session: aiohttp.ClientSession, demo_folder: Path, clock: Clock
) -> Hospital:
    """A hospital of the second centre, region 440300."""
    return _hospital("440300", platform, session, demo_folder, clock)
