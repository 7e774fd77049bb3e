"""What must hold after a run, once everything has settled; each finding is a sentence.

* no acknowledged message is lost, and the same message again gets the same answer
* no line is settled, uploaded or registered twice, no sum is stated wrong (`Platform.wrongs`)
* of every visit both sides have the same settlements, to the fen, and the same lines, or the visit
  has a transaction that is listed as unknown
* a stay is over, and its patient discharged, on both sides or on none; charges that were told to be
  there, or withdrawn, are so
* what the hospital did by national JSON itself was done once where it was told so, and not at all
  where it was told no
* every reply is kept with the request that it answers
* what was told about settlements is what the platform did for that message
* what became unknown was reversed, where the policy says so, a while after nothing went wrong any
  more, whatever was done to the clock
* the fen of all accounts are the first ones less what the live settlements took
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from gateway.journal.memory import Memory
from gateway.settings import UnknownPolicy
from gateway.settlement.absorbing import CANCELLING
from gateway.settlement.agreeing import is_mismatch
from gateway.settlement.visits import Visit, decode_visit
from tests.simulation.books import Stay, fen
from tests.simulation.hospital import Hospital, Said
from tests.simulation.speech import is_final
from tests.simulation.world import World

_REPEATABLE = (
    "9001",
    "1101",
    "2101",
    "2203",
    "2403",
    "2206",
    "2303",
    "4103",
    "5201",
    "5203",
    "5303",
)


class _Books:
    """What the gateway's journal says, read without the gateway."""

    def __init__(self, memory: Memory) -> None:
        rows = memory.connection.execute("SELECT * FROM sends").fetchall()
        self.sends: dict[str, sqlite3.Row] = {row["msgid"]: row for row in rows}
        self.exchanges = {
            row["control_id"]: row for row in memory.connection.execute("SELECT * FROM exchanges")
        }
        self.visits: dict[str, Visit] = {}
        for row in memory.connection.execute("SELECT key, data, version FROM visits"):
            visit = decode_visit(row["data"], row["version"])
            self.visits[visit.ipt_otp_no] = visit

    def open_sends(self) -> list[sqlite3.Row]:
        """What is listed as unknown."""
        return [
            row
            for row in self.sends.values()
            if row["state"] in ("unknown", "sending") and row["infno"] not in _REPEATABLE
        ]

    def msgids(self, control_id: str) -> set[str]:
        """The message ids of an exchange."""
        exchange = self.exchanges.get(control_id)
        if exchange is None:
            return set()
        ident = exchange["exchange_id"]
        return {row["msgid"] for row in self.sends.values() if row["exchange_id"] == ident}


def findings(world: World, hospital: Hospital) -> Iterator[str]:
    """Everything that does not hold."""
    books = _Books(world.memory)
    _name_purchases(world, hospital, books)
    yield from world.platform.wrongs
    yield from world.wrongs
    yield from world.loop.unhandled
    yield from world.overdue
    yield from _messages(hospital, books)
    yield from _accounts(world)
    yield from _resolved(world, books)
    yield from _credited(world, books)
    held = _held(world, books)
    by_number: dict[str, list[Stay]] = {}
    for stay in world.platform.stays.values():
        by_number.setdefault(stay.number, []).append(stay)
    for number in sorted(by_number.keys() | books.visits.keys()):
        if number not in held:
            yield from _visit(world, number, by_number.get(number, []), books.visits.get(number))
    own = {m for s in hospital.said if s.asked.infno == "2601" for m in books.msgids(s.asked.id)}
    yield from _own(world, hospital, books)
    for said in hospital.said:
        yield from _told(world, said, books, own)
        yield from _undone(world, said, books)
    yield from _kept(world, hospital)


async def overdue(world: World) -> list[str]:
    """What is unknown, may be reversed by the policy, and was not tried to be.

    To be asked once the last unknown outcome is older than the resolver waits.
    """
    node = world.node
    if node is None or not node.ready or world.plan.policy is UnknownPolicy.HOLD:
        return []
    found = []
    for send in await node.journal.sends(state="unknown", limit=1_000):
        if not node.resolver.is_reversible(send) or is_mismatch(send.note):
            continue
        anew = world.plan.policy is UnknownPolicy.REVERSE_AND_SETTLE
        if await node.resolver.reversals(send) or (anew and await node.resolver.is_exhausted(send)):
            continue
        found.append(f"{send.infno} {send.msgid} is unknown, and nobody tried to reverse it")
    return found


def unknown_count(world: World) -> int:
    """How many transactions are listed as unknown."""
    return len(_Books(world.memory).open_sends())


def _messages(hospital: Hospital, books: _Books) -> Iterator[str]:
    for said in hospital.said:
        if said.accepted and said.asked.id not in books.exchanges:
            yield f"{said.asked.id} was acknowledged and is lost"
        # An answer that the journal could not keep is given anew: its warnings may be fewer.
        final = [(a.code, a.status, a.settlements) for a in said.answers if is_final(a)]
        if any(answer != final[0] for answer in final):
            yield f"{said.asked.id} got two answers: {final}"


def _accounts(world: World) -> Iterator[str]:
    platform = world.platform
    taken = sum(s.account for s in platform.live())
    if sum(platform.before.values()) - taken != sum(platform.balances.values()):
        yield "the accounts and the live settlements differ"


def _resolved(world: World, books: _Books) -> Iterator[str]:
    """With an operator nothing stays unknown."""
    for row in books.open_sends():
        if row["state"] == "sending" and world.node is not None:
            yield f"{row['infno']} {row['msgid']} is still on its way"
        if world.plan.operator:
            yield f"{row['infno']} {row['msgid']} stayed unknown"


def _credited(world: World, books: _Books) -> Iterator[str]:
    """A reply counts for the request that it answers, and no other one is held against it."""
    for row in books.sends.values():
        if row["inf_refmsgid"] not in ("", "R", f"R{row['msgid']}"):
            yield f"{row['infno']} {row['msgid']} has the reply to another request"
        if is_mismatch(row["note"]) and not {"altered", "slow-altered"} & set(world.plan.fates):
            yield f"{row['infno']} {row['msgid']} was compared with the reply to another request"


def _held(world: World, books: _Books) -> set[str]:
    """Numbers of the visits that have something unknown."""
    keys = {row["visit_key"].partition("/")[2] for row in books.open_sends()}
    stays = world.platform.stays
    return {stays[key].number if key in stays else key for key in keys}


def _together(
    world: World, said: Said, made: dict[str, int], said_of: dict[str, int]
) -> Iterator[str]:
    """A message that cancels several: it tells what it and others before it have cancelled."""
    platform, last, meant = world.platform, said.last, said.asked.setl_ids
    gone = {s.setl_id: s.total for s in platform.settled.values() if s.origin in meant}
    standing = [setl_id for setl_id in meant if platform.settled[setl_id].state == "settled"]
    if last is not None and last.code == "AA" and standing:
        yield f"{said.asked.id} is told that all are cancelled, and {standing} stand"
    if not made.items() <= said_of.items() or not said_of.items() <= gone.items():
        yield f"{said.asked.id} cancels {meant} and is told {said_of}, the platform made {gone}"


def _name_purchases(world: World, hospital: Hospital, books: _Books) -> None:
    """Give each purchase the pharmacy's own number, which the platform is not told."""
    numbers = {said.asked.id: said.asked.visit for said in hospital.said}
    sellers = {row["exchange_id"]: ident for ident, row in books.exchanges.items()}
    for stay in world.platform.stays.values():
        if stay.setting == "shop" and stay.msgid in books.sends:
            stay.number = numbers[sellers[books.sends[stay.msgid]["exchange_id"]]]


def _visit(world: World, number: str, stays: list[Stay], visit: Visit | None) -> Iterator[str]:
    standing = [stay for stay in stays if stay.state != "cancelled"]
    if visit is None and all(world.is_own(stay.msgid) for stay in standing):
        if len(standing) > 1:
            yield f"visit {number}: the hospital itself opened {len(standing)}"
        return  # the gateway keeps no visit that no message opened
    ours = visit is not None and visit.state.value not in ("none", "cancelled")
    if len(standing) > 1 or bool(standing) != ours:
        yield f"visit {number}: the platform has {len(standing)}, the gateway {int(ours)}"
        return
    if not standing or visit is None:
        return
    (stay,) = standing
    theirs = {s.setl_id: s.total for s in world.platform.live() if s.mdtrt_id == stay.mdtrt_id}
    kept = {
        s.info.get("setl_id"): int(s.info.amount("medfee_sumamt") * 100)
        for s in visit.live_settlements()
    }
    kept = {ident: total for ident, total in kept.items() if _stands(visit, ident)}
    if theirs != kept:
        yield f"visit {number}: the platform settled {theirs}, the gateway has {kept}"
    if stay.setting == "in" and stay.settled != (visit.state.value == "settled"):
        yield f"visit {number}: settled at the end {stay.settled}, the gateway has {visit.state}"
    if stay.setting == "in" and (stay.state == "discharged") != visit.visit.has("endtime"):
        yield f"visit {number}: the platform has it {stay.state}, the gateway {visit.state}"
    lines = {ln.item: (ln.amount, ln.setl_id) for ln in stay.lines}
    known = {
        ln.item: (int(ln.amount.replace(".", "")), batch.setl_id)
        for batch in visit.batches
        for ln in batch.lines
    }
    if lines != known:
        yield f"visit {number}: the platform has lines {lines}, the gateway {known}"
    if visit.visit.get("mdtrt_id") != stay.mdtrt_id:
        yield f"visit {number}: another mdtrt_id"


def _stands(visit: Visit, setl_id: str) -> bool:
    return any(batch.setl_id == setl_id for batch in visit.batches)


def _undone(world: World, said: Said, books: _Books) -> Iterator[str]:
    """A refused settlement that says its charges were withdrawn left none of them behind.

    What it had settled before the refusal stands, and is told (`_told`).
    Its charges are those that it uploaded itself: what an earlier message of the same lines had
    uploaded, and could not withdraw, is told with that one.
    """
    last = said.last
    if last is None or last.status != "rejected" or "FSI-REVERSED" not in last.problems:
        return
    platform, own = world.platform, books.msgids(said.asked.id)
    inputs = [platform.inputs.get(msgid, {}) for msgid in own]
    rows = [row for data in inputs for row in data.get("feedetail", ())]
    made = [settled for settled in platform.settled.values() if settled.msgid in own]
    settled = {number for each in made for number in each.lines}
    uploaded = {r["medins_list_codg"] for r in rows if str(r["feedetl_sn"]) not in settled}
    for item in sorted(_items(world, said) & uploaded):
        yield f"{said.asked.id} says that {item} was withdrawn, and the platform has it"


def _kept(world: World, hospital: Hospital) -> Iterator[str]:
    """Lines whose upload was told AA are there, unless the hospital took charges back."""
    taking = {"refund", "unregister"}
    back = {said.asked.visit for said in hospital.said if said.asked.verb in taking}
    gone = [said for said in hospital.said if said.takes and said.last is not None]
    gone = [said for said in gone if not (is_final(said.last) and said.last.code == "AE")]
    withdrawn = {item for said in gone for item in said.takes}
    for said in hospital.said:
        last = said.last
        told = last is not None and last.code == "AA" and said.asked.visit not in back
        if not told:
            continue
        for item in _uploaded(said) - withdrawn - _items(world, said):
            yield f"{said.asked.id} was told AA, and the platform does not have {item}"
        for item in said.takes & _items(world, said):
            yield f"{said.asked.id} was told AA, and the platform still has {item}"


def _uploaded(said: Said) -> set[str]:
    """The items that a message uploads."""
    if said.asked.verb in ("charge", "settle"):
        return {item for _, item, _ in said.asked.lines}
    content = said.asked.carried
    rows = content.get("feedetail", ()) if said.asked.infno != "2102" else content["drugdetail"]
    return {row["medins_list_codg"] for row in rows}


def _own(world: World, hospital: Hospital, books: _Books) -> Iterator[str]:
    """What the hospital's own program was told of its transactions."""
    for said in hospital.said:
        last, infno = said.last, said.asked.infno
        if said.asked.verb != "carry" or last is None or not is_final(last):
            continue
        ident, platform = said.asked.id, world.platform
        done = [m for m in books.msgids(ident) if platform.requests.get(m, ("",))[0] == infno]
        done = [msgid for msgid in done if platform.requests[msgid][2]]
        if last.code == "AA" and len(done) != 1 and infno not in _REPEATABLE:
            yield f"{ident} {infno} is told AA, and was done {len(done)} times"
        stands = [msgid for msgid in done if not platform.is_undone(msgid)]
        if last.code == "AE" and stands and infno not in _REPEATABLE:
            yield f"{ident} {infno} is told {last.status}, and the platform has done it"


def _items(world: World, said: Said) -> set[str]:
    stays = world.platform.stays.values()
    return {line.item for stay in stays if stay.number == said.asked.visit for line in stay.lines}


def _told(world: World, said: Said, books: _Books, own: set[str]) -> Iterator[str]:
    """The last answer against what the platform did for this message.

    `own` are the message ids of the hospital's own calls: what those reversed had been told.
    """
    last, ident = said.last, said.asked.id
    if last is None or last.code == "AR":
        return
    msgids = books.msgids(ident)
    open_ = {row["msgid"] for row in books.open_sends()}
    leaving = {row["msgid"] for row in books.sends.values() if row["state"] == "sending"}
    if last.code == "UN":
        if not msgids & (open_ | leaving):
            yield f"{ident} is told unknown, and nothing of it is"
        return
    made = {
        s.setl_id: s.total
        for s in world.platform.settled.values()
        if s.msgid in msgids
        and s.msgid not in open_
        and (s.state != "reversed" or s.reversed_by in own)
    }
    said_of = {setl_id: fen(total) for setl_id, total, _ in last.settlements if setl_id}
    if len(said.asked.setl_ids) > 1:
        yield from _together(world, said, made, said_of)
        return
    if said.asked.infno in CANCELLING and {"altered", "slow-altered"} & set(world.plan.fates):
        made, said_of = dict.fromkeys(made, 0), dict.fromkeys(said_of, 0)  # it states no total
    if made != said_of:
        yield f"{ident} {said.asked.verb} is told {last.code} {said_of}, the platform made {made}"
    if said.asked.verb == "settle" and last.code == "AA":
        # An operator confirms one batch; what the message meant beside it is asked for anew.
        confirmed = any(books.sends[msgid]["state"] == "confirmed" for msgid in msgids)
        total = "" if confirmed else said.asked.total
        if total and int(total.replace(".", "")) != sum(said_of.values()):
            yield f"{ident} states {total} and settles {said_of}"
