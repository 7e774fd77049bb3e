"""Whether a message can refer to what this gateway answered before is told from its bytes."""

from __future__ import annotations

import pytest

from gateway.fhir.stored import KEPT_TYPES, may_refer


@pytest.mark.parametrize("type_name", sorted(KEPT_TYPES))
def test_a_reference_to_a_kept_type_is_seen(type_name: str) -> None:
    """A reference by type and id, as most clients write it."""
    assert may_refer(f'{{"reference":"{type_name}/e1"}}'.encode())


@pytest.mark.parametrize(
    "written", [rb"Encounter\/e1", rb"Encounter\u002fe1", rb"\u0045ncounter/e1"]
)
def test_an_escaped_reference_is_seen(written: bytes) -> None:
    """JSON may escape any letter, and many clients escape each slash (RFC 8259, section 7)."""
    assert may_refer(b'{"reference":"' + written + b'"}')


def test_a_message_without_references_is_not_searched_for_them() -> None:
    """Contained resources, other types and other slashes need nothing that is kept."""
    assert not may_refer(b'{"system":"http://h.example/fhir","provider":{"reference":"#o1"}}')
    assert not may_refer(b'{"reference":"Organization/1"}')
