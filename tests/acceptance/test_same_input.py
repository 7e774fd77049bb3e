"""The same content in another charset gives the same transactions."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.demo import messages as m


def kept(world: Any) -> dict[str, Any]:
    """What the platform keeps of the inputs it took: visit, diagnoses, lines."""
    store = world.platform._store
    visits = [msgspec.json.decode(row["detail"]) for row in store.all("SELECT detail FROM visits")]
    lines = [msgspec.json.decode(row["input"]) for row in store.all("SELECT input FROM charges")]
    diagnoses = [dict(row) for row in store.all("SELECT * FROM diagnoses")]
    return {"visits": visits, "lines": lines, "diagnoses": diagnoses}


async def test_gb18030_and_utf8_give_equal_inputs(open_world: Any) -> None:
    """T-038, H-001, H-002, H-011: a person with characters of four bytes in GB 18030, once in
    each charset: equal inputs of every transaction, equal money, the reply in the charset asked.
    """
    chinese, unicode = await open_world(), await open_world()
    messages = [
        chinese.register(m.RARE, "O1"),
        chinese.change(chinese.his.charges(m.RARE, "O1", "O", (chinese.ct,)), "FT1", 3, "B1"),
        chinese.his.payment(m.RARE, "O1", "O", "240.00"),
    ]
    amounts = []
    for message in messages:
        one = await chinese.tell(message)
        other = await unicode.tell(
            unicode.change(message, "MSH", 18, "UNICODE UTF-8", to="utf-8"), encoding="utf-8"
        )
        assert (one.code, other.code) == ("AA", "AA")
        amounts.append((one.segment("ZSL")[7:20], other.segment("ZSL")[7:20]))
    assert kept(chinese) == kept(unicode)
    (visit,) = kept(chinese)["visits"]
    assert visit["dr_name"] == "陈医生"
    assert amounts[-1][0] == amounts[-1][1] != []
    identify = [await world.sends("1101") for world in (chinese, unicode)]
    assert identify[0][0].digest == identify[1][0].digest


async def test_a_reply_speaks_the_charset_of_the_question(world: Any) -> None:
    """H-008: MSH-18 is repeated, and the Chinese text of an error can be read in it."""
    charges = world.his.charges(m.ZHANG, "O9", "O", (world.ct,))
    one = await world.tell(charges)
    other = await world.tell(
        world.change(
            world.his.charges(m.ZHANG, "O9", "O", (world.ct,)),
            "MSH",
            18,
            "UNICODE UTF-8",
            to="utf-8",
        ),
        encoding="utf-8",
    )
    assert (one.field("MSH", 17), other.field("MSH", 17)) == ("GB 18030-2000", "UNICODE UTF-8")
    assert one.field("ERR", 8) == other.field("ERR", 8)
    assert "请先挂号" in one.field("ERR", 8)


async def test_the_same_claim_over_fhir_and_hl7_costs_the_same(open_world: Any) -> None:
    """T-031 for the outpatient day: equal lines over HL7 v2 and FHIR give equal codes, quantities
    and amounts at the platform.
    """
    one, other = await open_world(), await open_world()
    await one.charged("O1", items=m.OUTPATIENT_ITEMS)
    payment = await one.tell(one.his.payment(m.ZHANG, "O1", "O", "117.70"))
    claim = other.client.claim(m.ZHANG, "O1", m.OUTPATIENT_ITEMS, "117.70")
    answer = await other.fhir.post("Claim", claim)
    assert answer.status == 201
    columns = ("med_list_codg", "det_item_fee_sumamt", "cnt", "pric", "inscp_scp_amt")
    query = f"SELECT {', '.join(columns)} FROM charges ORDER BY rowid"  # noqa: S608 - names of ours
    rows = [[tuple(row) for row in world.platform._store.all(query)] for world in (one, other)]
    assert rows[0] == rows[1]
    assert str(answer.total("benefit")) == payment.field("ZSL", 8) == "43.37"
