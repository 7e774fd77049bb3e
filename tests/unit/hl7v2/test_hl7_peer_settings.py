"""Maps, overlays and character sets of a peer, in messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError, MessageError, ProblemCode
from gateway.hl7v2.adapter import HL7Adapter

PID = "PID|1||430199198001010010^^^MPS^NNCHN~M77^^^HIS^MR||张^伟示||19800101|M"
PV1 = "PV1|1|O|NK^^B8||||1001^陈医生||||||||||||V100"
Make = Callable[..., bytes]
Understand = Callable[..., Any]


async def test_every_part_of_a_message_may_be_chinese_in_gb18030(
    make_raw: Make, understand: Understand
) -> None:
    """H-010, H-011: rare characters, and characters whose second byte is a delimiter."""
    tricky = "".join(bytes([0x81, low]).decode("gb18030") for low in b"|^~\\")
    pid = PID.replace("张^伟示", f"{tricky}^㐂龘𠮷")
    raw = make_raw("ADT^A04", "EVN||202603010901", pid, PV1, codec="gb18030", m18="GB 18030-2000")
    _, intent, problems = await understand(raw)
    assert problems == []
    assert intent.person.get("psn_name") == f"{tricky}㐂龘𠮷"


def test_a_wrong_map_or_character_set_is_found_at_start(
    make_adapter: Callable[..., HL7Adapter], tmp_path: Path
) -> None:
    """All maps of all peers are compiled when the adapter is made."""
    (tmp_path / "own.map").write_text("event ADT^A04\nperson.tel <- PID.13\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"own\.map:2"):
        make_adapter(map_overlay=tmp_path)
    with pytest.raises(ConfigurationError, match="no character set"):
        make_adapter({"default_charset": "EBCDIC"})


async def test_an_overlay_changes_one_rule_of_one_peer(
    make_raw: Make, understand: Understand, tmp_path: Path
) -> None:
    """PID-19 as the identity number is a practice of some senders."""
    (tmp_path / "own.map").write_text(
        "event ADT^A04\nperson.certno <- PID-19 | identity\n", "utf-8"
    )
    pid = "PID|1||M7^^^^MR||张^三" + "|" * 14 + "430199198001010010"
    raw = make_raw("ADT^A04", "EVN||202603010901", pid, PV1)
    _, intent, _ = await understand(raw, map_overlay=tmp_path)
    assert intent.person.get("certno") == "430199198001010010"
    assert intent.person.get("psn_name") == "张三"


async def test_a_switch_of_the_character_set_inside_a_field_is_an_error(
    make_raw: Make, understand: Understand
) -> None:
    """E-022."""
    pid = PID.replace("张^伟示", "\\C2842\\")
    try:
        _, _, problems = await understand(make_raw("ADT^A04", "EVN||202603010901", pid, PV1))
    except MessageError as error:
        problems = list(error.problems)
    assert [(p.code, p.field) for p in problems] == [(ProblemCode.NOT_SUPPORTED, "psn_name")]
