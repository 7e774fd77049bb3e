"""Signing in and out (9001, 9002)."""

from __future__ import annotations

from typing import Any

from conformance.platform.call import STAMP, Call, Refusal


def sign_in(call: Call) -> dict[str, Any]:
    """9001: a number that the transactions of the day carry."""
    serial = call.store.next_serial(f"sign:{call.region.code}")
    sign_no = f"{call.region.code}{call.now.strftime(STAMP)}S{serial:08d}"
    call.store.insert(
        "sign_ins",
        {
            "sign_no": sign_no,
            "region": call.region.code,
            "fixmedins_code": call.institution.fixmedins_code,
            "opter_no": call.node("signIn")["opter_no"],
            "sign_time": call.time,
            "state": "open",
        },
    )
    values = {"sign_no": sign_no, "sign_time": call.time}
    return {"signinoutb": call.shape("signinoutb", values)}


def sign_out(call: Call) -> dict[str, Any]:
    """9002: only with a sign-in of the same day."""
    data = call.node("signOut")
    closed = call.store.run(
        "UPDATE sign_ins SET state = 'closed' WHERE sign_no = ? AND opter_no = ? AND region = ? "
        "AND fixmedins_code = ? AND state = 'open' AND substr(sign_time, 1, 10) = ?",
        data["sign_no"],
        data["opter_no"],
        call.region.code,
        call.institution.fixmedins_code,
        call.time[:10],
    )
    if not closed:
        raise Refusal("未查询到当日有效的签到信息")
    return {"signoutoutb": call.shape("signoutoutb", {"sign_time": call.time})}


HANDLERS = {"9001": sign_in, "9002": sign_out}
