"""A process that writes to a journal with many writers until it is killed or the disk is full.

Run by the crash tests: `python busy_hospital.py JOURNAL LIFE WRITERS [MAX_FILE_BYTES]`; `JOURNAL`
is a file or a DSN; `LIFE` makes the names of one run different from those of another. It prints one line for every write,
after the write returned: what was acknowledged must be found later. When a write fails it prints
`failed`, tries once more, prints `refused` with the reason, and ends.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import sys
from pathlib import Path

from gateway.errors import JournalError
from gateway.intents import Accepted, Answer, Message, Reply
from gateway.journal import AuditEvent, Journal, Send, SQLiteJournal, VisitRow
from gateway.journal.postgres import PostgresJournal

NOW = "2026-03-02 12:00:00"


def say(*words: str) -> None:
    """Print a line at once and whole: a pipe takes so few bytes in one piece."""
    os.write(1, f"{' '.join(words)}\n".encode())


async def write(journal: Journal, life: str, writer: int) -> None:
    """Settle one visit after another."""
    for number in itertools.count():
        name = f"{life}-{writer}-{number}"
        message = Message(
            protocol="hl7v2",
            peer="his",
            sender="HIS",
            control_id=name,
            kind="DFT^P03",
            fingerprint=name,
        )
        begun = await journal.begin_exchange(message, name.encode(), NOW)
        ident = begun.exchange_id
        say("begun", ident, name)
        send = Send(msgid=f"M{name}", exchange_id=ident, infno="2207", visit_key=name, money=True)
        await journal.record_send(send, events=[AuditEvent(ident, "record", {"msgid": send.msgid})])
        say("recorded", send.msgid)
        outcome = Accepted(Reply(infcode="0", inf_refmsgid=f"R{name}"))
        await journal.record_outcome(
            send.msgid,
            outcome,
            visit=VisitRow(name, "settled", 0, name.encode()),
            events=[AuditEvent(ident, "send", {"msgid": send.msgid})],
        )
        say("accepted", send.msgid, name)
        await journal.finish_exchange(
            ident, Answer(body=name.encode()), None, events=[AuditEvent(ident, "answer")]
        )
        say("answered", ident, name)


async def main(path: str, life: str, writers: str, limit: str = "") -> None:
    """Write until something ends it."""
    journal: Journal
    if path.startswith("postgresql:"):
        journal = await PostgresJournal.open(path)
    else:
        journal = await SQLiteJournal.open(Path(path))
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    try:
        await asyncio.gather(*(write(journal, life, writer) for writer in range(int(writers))))
    except JournalError:
        say("failed")
    try:
        await journal.put_visit(VisitRow("after", "failure"))
    except JournalError as error:
        say("refused", str(error))
    os._exit(0)  # as after a crash: nothing is closed


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
