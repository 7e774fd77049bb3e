"""The sealed envelope under any data and any garbage: nothing is lost, nothing changed is taken."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import CHINA
from gateway.crypto.sm import SigningKey, der_from_raw, sm4_ecb_encrypt
from gateway.fsi.sealed import Account, Reason, SealedOptions, Sealer
from gateway.fsi.sealed_text import canonical_data, data_key, sign_text
from gateway.fsi.wire import decode_json
from tests.nesting import nested

NOW = datetime(2026, 3, 1, 9, 5, 7, tzinfo=CHINA)
ACCOUNT = Account("MADE-UP-ACCOUNT-0001", "made-up-secret-测试")
OURS, THEIRS = SigningKey.generate(), SigningKey.generate()
HOSPITAL = Sealer(ACCOUNT, SealedOptions(), signing_key=OURS, verify_key=THEIRS.public_key())
PLATFORM = Sealer(ACCOUNT, SealedOptions(), signing_key=THEIRS, verify_key=OURS.public_key())

text = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["", "测试", "𠮷", "&="])
numbers = st.integers(-(10**20), 10**20) | st.decimals(
    allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12
)
leaves = st.none() | st.booleans() | text | numbers
values = nested(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=12,
)
documents = st.dictionaries(text, values, max_size=5) | st.lists(values, max_size=4)


def _without_empty(value: Any) -> Any:
    """What canonical data keep, by the words of the rule; None when nothing."""
    if isinstance(value, dict):
        kept = {name: _without_empty(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner is not None} or None
    if isinstance(value, list):
        return [kept for item in value if (kept := _without_empty(item)) is not None] or None
    return None if value == "" else value


@settings(max_examples=150, deadline=None)
@given(documents, st.sampled_from(["json", "text"]))
def test_any_data_open_as_they_were_sealed(data: Any, scalars: Any) -> None:
    """Chinese, characters outside the basic plane, nested empties, amounts with their digits."""
    sealer = Sealer(
        ACCOUNT, SealedOptions(scalars=scalars), signing_key=OURS, verify_key=OURS.public_key()
    )
    opened = sealer.open(sealer.seal(data, now=NOW))
    assert opened.reasons == ()
    assert opened.data == data


@settings(max_examples=100, deadline=None)
@given(documents)
def test_canonical_data_open_without_what_is_empty(data: Any) -> None:
    """With the canonical text encrypted, the empty members are gone and nothing else."""
    sealer = Sealer(
        ACCOUNT,
        SealedOptions(encrypted="canonical"),
        signing_key=OURS,
        verify_key=OURS.public_key(),
    )
    opened = sealer.open(sealer.seal(data, now=NOW))
    assert opened.accepted
    assert opened.data == (_without_empty(data) or type(data)())


@given(documents)
def test_the_canonical_text_is_a_fixed_point(data: Any) -> None:
    """Reading the canonical text and writing it again changes nothing, in either reading."""
    for scalars in ("json", "text"):
        once = canonical_data(data, scalars)
        assert not once or canonical_data(decode_json(once), scalars) == once


@given(st.dictionaries(text, values, max_size=6), st.randoms())
def test_the_order_of_members_does_not_matter(data: dict[str, Any], random: Any) -> None:
    """The text depends on what is said, not on the order in which it is."""
    names = list(data)
    random.shuffle(names)
    shuffled = {name: data[name] for name in names}
    assert canonical_data(shuffled, "json") == canonical_data(data, "json")


def test_each_side_opens_only_what_the_other_signed() -> None:
    """A message thrown back at its sender is refused."""
    made = HOSPITAL.seal({"a": "1"}, now=NOW)
    assert PLATFORM.open(made).accepted
    assert HOSPITAL.open(made).reasons == (Reason.SIGNATURE,)


def test_a_flipped_bit_anywhere_is_refused() -> None:
    """Every single bit of a whole message, one after the other."""
    data = {"userName": "测试", "amt": Decimal("12.30"), "list": ["", {}, {"a": "1"}]}
    made = HOSPITAL.seal(data, now=NOW, trans_type="ec.query")
    taken = []
    for bit in range(8 * len(made)):
        changed = bytearray(made)
        changed[bit // 8] ^= 1 << bit % 8
        opened = PLATFORM.open(bytes(changed))
        if opened.accepted or opened.data is not None:
            taken.append((bit, bytes(changed)))
    assert taken == []


@settings(max_examples=200, deadline=None)
@given(documents.filter(bool), st.data())
def test_a_flipped_bit_in_any_message_is_refused(data: Any, choice: st.DataObject) -> None:
    """One bit of a message of any content."""
    made = bytearray(HOSPITAL.seal({"content": data, "n": "1"}, now=NOW))
    bit = choice.draw(st.integers(0, 8 * len(made) - 1))
    made[bit // 8] ^= 1 << bit % 8
    assert not PLATFORM.open(bytes(made)).accepted


def test_extra_is_not_covered_by_the_signature() -> None:
    """The rule of the interface; whoever reads `extra` must know."""
    made = json.loads(HOSPITAL.seal({"a": "1"}, now=NOW, extra="said"))
    opened = PLATFORM.open({**made, "extra": "changed"})
    assert (opened.accepted, opened.members["extra"]) == (True, "changed")


def _signed_again(members: dict[str, Any], data: Any, scalars: Any = "json") -> dict[str, Any]:
    signed = sign_text({**members, "data": data}, ACCOUNT.app_secret, scalars).encode()
    return {**members, "signData": base64.b64encode(OURS.sign(signed)).decode()}


MADE: dict[str, Any] = json.loads(HOSPITAL.seal({"n": 1}, now=NOW))
RAW = base64.b64decode(MADE["signData"])
KEY = data_key(ACCOUNT.app_id, ACCOUNT.app_secret)


def _encrypted(plain: bytes) -> str:
    return sm4_ecb_encrypt(KEY, plain).hex()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"encData": ""}, Reason.MISSING),
        ({"signData": None}, Reason.MISSING),
        ({"timestamp": 0}, Reason.MISSING),
        ({"appId": ""}, Reason.MISSING),
        ({"appId": "MADE-UP-ACCOUNT-0002"}, Reason.ACCOUNT),
        ({"appCode": "MADE-UP-ACCOUNT-0002"}, Reason.ACCOUNT),
        ({"appId": 7}, Reason.ACCOUNT),
        ({"encType": "AES"}, Reason.ALGORITHM),
        ({"signType": "SM3"}, Reason.ALGORITHM),
        ({"signType": ["SM2"]}, Reason.ALGORITHM),
        ({"timestamp": "2026-03-01 09:05:07"}, Reason.TIMESTAMP),
        ({"transType": "a&version=1"}, Reason.AMBIGUOUS),
        ({"a&b": "c"}, Reason.AMBIGUOUS),
        ({"a=b": "c"}, Reason.AMBIGUOUS),
        ({"data": {"n": 1}}, Reason.AMBIGUOUS),
        ({"encData": "XYZ"}, Reason.ENCRYPTION_FORM),
        ({"encData": "ab" + MADE["encData"][2:]}, Reason.ENCRYPTION_FORM),
        ({"encData": "測" + MADE["encData"]}, Reason.ENCRYPTION_FORM),
        ({"encData": 12}, Reason.ENCRYPTION_FORM),
        ({"encData": "00" * 15}, Reason.ENCRYPTION),
        ({"encData": "00" * 16}, Reason.ENCRYPTION),
        ({"encData": _encrypted(b"")}, Reason.DATA),
        ({"encData": _encrypted(b'"text"')}, Reason.DATA),
        ({"encData": _encrypted(b"\xff{}")}, Reason.DATA),
        ({"encData": _encrypted(b"[" * 65 + b"1" + b"]" * 65)}, Reason.DATA),
        ({"encData": _encrypted(b"[" * 5000 + b"]" * 5000)}, Reason.DATA),
        ({"encData": _encrypted(b'{"n":2}')}, Reason.SIGNATURE),
        ({"version": "1.0.0"}, Reason.SIGNATURE),
        ({"unknown": "member"}, Reason.SIGNATURE),
        ({"signData": "not base64"}, Reason.SIGNATURE_FORM),
        ({"signData": MADE["signData"] + "\n"}, Reason.SIGNATURE_FORM),
        ({"signData": base64.b64encode(RAW[:-1]).decode()}, Reason.SIGNATURE_FORM),
        ({"signData": base64.b64encode(der_from_raw(RAW)).decode()}, Reason.SIGNATURE_DER),
        ({"signData": base64.b64encode(bytes(64)).decode()}, Reason.SIGNATURE),
        ({"signData": [RAW.hex()]}, Reason.SIGNATURE_FORM),
    ],
)
def test_each_refusal_has_its_own_reason(change: dict[str, Any], reason: Reason) -> None:
    """One thing wrong with a good message, one reason, and no data."""
    opened = PLATFORM.open({**MADE, **change})
    assert (opened.reasons, opened.data) == ((reason,), None)


def test_a_member_nested_too_deeply_is_refused_before_it_is_written_again() -> None:
    """Any member is part of the sign text, so its depth is limited like that of the data."""
    deep = b"[" * 64 + b"1" + b"]" * 64
    whole = json.dumps(MADE).encode()
    opened = PLATFORM.open(whole[:-1] + b', "unknown": ' + deep + b"}")
    assert opened.reasons == (Reason.UNREADABLE,)


def test_several_things_wrong_are_said_at_once() -> None:
    """Whoever sets up a platform sees all that is wrong with the outside of a message."""
    opened = PLATFORM.open({**MADE, "appId": "x", "encType": "AES", "timestamp": "yesterday"})
    assert opened.reasons == (Reason.ACCOUNT, Reason.ALGORITHM, Reason.TIMESTAMP)


def test_a_signature_over_the_other_reading_is_told() -> None:
    """The most likely disagreement with a new platform has a name of its own."""
    opened = PLATFORM.open(_signed_again(MADE, {"n": 1}, "text"))
    assert opened.reasons == (Reason.OTHER_READING,)
    assert PLATFORM.open(_signed_again(MADE, {"n": 1}, "json")).accepted


def test_the_spare_bits_of_base64_are_no_second_spelling() -> None:
    """Of the sixteen last characters that decode alike, one is taken."""
    head = MADE["signData"][:85]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    taken = [c for c in alphabet if PLATFORM.open({**MADE, "signData": f"{head}{c}=="}).accepted]
    assert taken == [MADE["signData"][85]]


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\xff", b"null", b"[]", b"{}", b'"x"', "\ud800", b"[" * 100_000,
        b'{"a":' * 65 + b"1" + b"}" * 65, {1: 2}, {"a": float("nan")}, {"a": object()}, {"a": "\ud800"},
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(message: Any) -> None:
    """Bytes that are no object, and objects that are no JSON."""
    opened = PLATFORM.open(message)
    assert opened.reasons in ((Reason.UNREADABLE,), (Reason.MISSING,))


def _anything(draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
    message = dict(MADE)
    for name in draw(st.lists(st.sampled_from([*MADE, "data", "transType", "extra"]), min_size=1)):
        message[name] = draw(values)
    return message


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60) | st.composite(_anything)())
def test_garbage_is_refused_and_never_raises(message: Any) -> None:
    """Any bytes, any text, any JSON value in any member."""
    opened = PLATFORM.open(message)
    if opened.accepted:
        same = set(MADE) - {"timestamp"}
        assert {name: message[name] for name in same} == {name: MADE[name] for name in same}
        assert opened.data == {"n": 1}


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_plain_text_is_data_or_refused(plain: bytes) -> None:
    """Whoever knows the secret may encrypt anything at all."""
    opened = PLATFORM.open({**MADE, "encData": _encrypted(plain)})
    assert not opened.accepted
