"""Peers that read alike share their compiled maps, and no others do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.hl7v2.adapter import MAPS
from gateway.hl7v2.maps import maps_of_peers
from gateway.settings import PeerSettings
from mappings.messages import MapSet


def _maps(**dialects: dict[str, Any]) -> dict[str, MapSet]:
    peers = [
        PeerSettings.model_validate({"name": name, "institutions": ["H43010000001"], **dialect})
        for name, dialect in dialects.items()
    ]
    return maps_of_peers(peers, MAPS)


def test_peers_of_one_dialect_share_their_maps() -> None:
    """Also over two adapters of a process; what is not read by the maps makes no difference."""
    found = _maps(
        ward={"hl7v2": {"value_maps": {"sex": {"m": "1"}}}},
        desk={"hl7v2": {"value_maps": {"sex": {"m": "1"}}, "reply_mode": "single"}},
    )
    assert found["ward"] is found["desk"]
    assert _maps(other={"hl7v2": {"value_maps": {"sex": {"m": "1"}}}})["other"] is found["desk"]


@pytest.mark.parametrize(
    "dialect",
    [
        {"identifier_aliases": {"YB": "HC"}},
        {"amount_component": 2},
        {"value_maps": {"sex": {"m": "2"}}},
    ],
)
def test_other_words_are_compiled_apart(dialect: dict[str, Any]) -> None:
    """A peer never reads by the aliases, amounts or values of another."""
    found = _maps(ward={"hl7v2": {"value_maps": {"sex": {"m": "1"}}}}, desk={"hl7v2": dialect})
    assert found["ward"] is not found["desk"]


def test_an_overlay_is_read_again(tmp_path: Path) -> None:
    """An overlay holds for its peer alone, and a correction of it counts at the next start."""
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    sheet = overlay / "own.map"
    sheet.write_text("event ZZZ^Z01\nverb ignore\n", "utf-8")
    found = _maps(ward={}, desk={"map_overlay": overlay}, till={"map_overlay": overlay})
    assert "ZZZ^Z01" in found["desk"].events()
    assert "ZZZ^Z01" not in found["ward"].events()
    assert found["desk"] is found["till"]
    sheet.write_text("event ZZZ^Z01\nvrb ignore\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"own\.map"):
        _maps(desk={"map_overlay": overlay})
