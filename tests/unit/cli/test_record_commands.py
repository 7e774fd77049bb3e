"""`exchanges` and `audit`: what the journal holds."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.intents import Accepted, Answer, Message, Reply, Status
from gateway.journal import AuditEvent, Send, SQLiteJournal

Run = Callable[..., tuple[int, str, str]]

MSGID = "H43010000001202603010905070001"


async def _fill(path: Path) -> str:
    journal = await SQLiteJournal.open(path)
    message = Message(
        protocol="fsi",
        peer="HIS",
        sender="H43010000001",
        control_id="C1",
        kind="1101",
        fingerprint="f" * 64,
    )
    begun = await journal.begin_exchange(message, b"{}", "2026-03-01 09:05:07.000")
    exchange = begun.exchange_id
    events = [AuditEvent(exchange, "record", {"infno": "1101"})]
    await journal.record_send(
        Send(msgid=MSGID, exchange_id=exchange, infno="1101", channel="changsha"), events=events
    )
    await journal.record_outcome(MSGID, Accepted(Reply(infcode="0", inf_refmsgid="P1")))
    answer = Answer(body="{}人".encode(), outcome=Status.DONE)
    await journal.finish_exchange(exchange, answer, None)
    await journal.close()
    return exchange


@pytest.fixture
def exchange(config: Path) -> str:
    """The id of the one exchange of the journal that the settings name."""
    return asyncio.run(_fill(config.parent / "journal.db"))


def test_exchanges_are_listed(run: Run, config: Path, exchange: str) -> None:
    """Id, peer, kind, control id and status; nothing of the content."""
    code, out, _ = run("exchanges", "list", "--config", config)
    assert code == 0
    _, row = (line.split("\t") for line in out.splitlines())
    assert (row[0], row[2], row[4], row[5], row[6]) == (exchange, "HIS", "1101", "C1", "done")


def test_exchanges_are_filtered_by_status(run: Run, config: Path, exchange: str) -> None:
    """What an operator looks for is `unknown`."""
    found = json.loads(run("exchanges", "list", "--json", "--config", config)[1])
    assert [row["exchange_id"] for row in found] == [exchange]
    code, out, _ = run("exchanges", "list", "--json", "--status", "unknown", "--config", config)
    assert (code, json.loads(out)) == (0, [])


def test_an_exchange_is_shown_with_its_transactions_and_audit(
    run: Run, config: Path, exchange: str
) -> None:
    """The msgid and the platform's id are what support asks for; the answer only when wanted."""
    code, out, _ = run("exchanges", "show", exchange, "--config", config)
    assert code == 0
    assert f"{MSGID}\t1101\taccepted\tchangsha\tP1" in out
    assert "infno=1101" in out
    assert "人" not in out
    assert "人" in run("exchanges", "show", exchange, "--answer", "--config", config)[1]


def test_an_unknown_exchange_ends_with_one(run: Run, config: Path, exchange: str) -> None:
    """Looked for and not found."""
    code, _, err = run("exchanges", "show", f"{exchange}0", "--config", config)
    assert code == 1
    assert exchange in err


def test_an_intact_audit_ends_with_zero_and_its_head(run: Run, config: Path, exchange: str) -> None:
    """The journal may be named without settings."""
    assert exchange
    journal = config.parent / "journal.db"
    code, out, _ = run("audit", "verify", "--json", "--journal", journal)
    report = json.loads(out)
    assert (code, report["intact"], report["broken"]) == (0, True, [])
    assert len(report["head"]) == 64
    plain = run("audit", "verify", "--config", config)[1]
    assert plain == f"intact: {report['rows']} rows, head {report['head']}\n"


def test_an_altered_audit_ends_with_one_and_names_the_row(
    run: Run, config: Path, exchange: str
) -> None:
    """Somebody with access to the file changes one detail."""
    assert exchange
    journal = config.parent / "journal.db"
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("UPDATE audit SET detail = '{}' WHERE seq = 1")
        connection.commit()
    code, out, _ = run("audit", "verify", "--json", "--journal", journal)
    report = json.loads(out)
    assert (code, report["intact"]) == (1, False)
    assert report["broken"][0]["seq"] == 1
    plain = run("audit", "verify", "--journal", journal)
    assert plain[0] == 1
    assert plain[1].startswith("BROKEN")


def test_a_journal_that_is_not_there_ends_with_two(run: Run, config: Path) -> None:
    """Reading never creates one."""
    code, _, err = run("audit", "verify", "--config", config)
    assert code == 2
    assert "journal.db" in err
    assert not (config.parent / "journal.db").exists()


def test_a_file_that_is_no_journal_ends_with_two(run: Run, config: Path) -> None:
    """One line, no traceback."""
    journal = config.parent / "journal.db"
    journal.write_bytes(b"this is no database" * 100)
    code, out, err = run("audit", "verify", "--journal", journal)
    assert code == 2
    assert "Traceback" not in out + err


def heads(file: Path, *rows: tuple[int, str]) -> Path:
    """A file of exported heads."""
    lines = [json.dumps({"time": "2026-03-01 10:00:00.000", "seq": s, "hash": h}) for s, h in rows]
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return file


def test_an_audit_is_held_against_the_heads_that_were_exported(
    run: Run, config: Path, exchange: str
) -> None:
    """Named, or those of the settings; a tail that is gone with the record of it ends with one."""
    assert exchange
    report = json.loads(run("audit", "verify", "--json", "--config", config)[1])
    kept = heads(config.parent / "kept", (report["rows"], report["head"]))
    code, out, _ = run("audit", "verify", "--heads", kept, "--config", config)
    assert (code, out.splitlines()[-1]) == (0, "exported heads that fit: 1")
    with closing(sqlite3.connect(config.parent / "journal.db")) as connection:
        connection.execute("DELETE FROM audit")
        connection.execute("UPDATE audit_head SET seq = 0, hash = ?", ("0" * 64,))
        connection.commit()
    assert run("audit", "verify", "--config", config)[0] == 0
    assert run("audit", "verify", "--heads", kept, "--config", config)[0] == 1
    text = config.read_text("utf-8")
    config.write_text(f'{text}\n[audit]\nheads_file = "kept"\n', "utf-8")
    code, out, _ = run("audit", "verify", "--json", "--config", config)
    report = json.loads(out)
    assert (code, report["exported_heads"]) == (1, 1)
    assert [(one["seq"], one["kind"]) for one in report["broken"]] == [(1, "truncated")]


def test_heads_that_cannot_be_read_end_with_three(run: Run, config: Path, exchange: str) -> None:
    """A wrong name must not pass for a check; the file of the settings may still be to come."""
    assert exchange
    code, _, err = run("audit", "verify", "--heads", config.parent / "none", "--config", config)
    assert (code, "none" in err) == (3, True)
    text = config.read_text("utf-8")
    config.write_text(f'{text}\n[audit]\nheads_file = "none"\n', "utf-8")
    assert run("audit", "verify", "--config", config)[0] == 0


def test_the_audit_is_exported_as_fhir(
    run: Run, config: Path, exchange: str, tmp_path: Path
) -> None:
    """One AuditEvent a line, for its owner alone, never over another file; --after goes on."""
    file = tmp_path / "audit.ndjson"
    code, out, _ = run("audit", "export", file, "--config", config)
    (line,) = file.read_text("utf-8").splitlines()
    event = json.loads(line)
    assert (code, out) == (0, "1 rows\n")
    assert (event["resourceType"], event["id"]) == ("AuditEvent", "audit-1")
    assert event["agent"][0] == {"altId": "HIS", "requestor": True}
    assert event["entity"][0]["what"]["identifier"]["value"] == exchange
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("audit", "export", file, "--config", config)[0] == 3
    for number, options in enumerate((("--after", "1"), ("--exchange", f"{exchange}0"))):
        other = tmp_path / f"other-{number}"
        assert run("audit", "export", other, *options, "--config", config)[1] == "0 rows\n"
