"""The sealed envelope: the computed vector of the reference, both readings, every option."""

from __future__ import annotations

import base64
import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from rich.pretty import pretty_repr

from gateway.clock import CHINA
from gateway.crypto.sm import SigningKey, VerifyKey, sm4_ecb_decrypt
from gateway.errors import ConfigurationError
from gateway.fsi.sealed import (
    Account,
    SealedOptions,
    Sealer,
    signing_key_from_base64,
    verify_key_from_base64,
)
from gateway.fsi.sealed_text import (
    canonical_data,
    check_exact,
    data_key,
    encrypted_secret,
    read_timestamp,
    sign_text,
    timestamp_text,
)

APP_ID, APP_SECRET = "43AF047BBA47FC8A1AE8EFB232BDBBCB", "4117E877F5FA0A0188891283E4B617D5"
PRIVATE = bytes.fromhex("211fee8c3c5fee2fad3dc926fc9403366d2def02cdd0bb5bd683ca015d99db7f")
PUBLIC = bytes.fromhex(
    "0417cc16abaebedc7f87b2e0a508c0cb93631761db7fa19adece712c6aade1d673"
    "e389b5e902df7a2e6fe3917b0f55747e00d74e36e939ecc3e7967b7058a91858"
)
GIVEN = (
    '{"orgCodg":"H00000000001","payOrdId":"PO0001","userName":"测试","empty":"",'
    '"nested":{"b":2,"a":1},"flag":true,"list":["",{}],"amt":"12.30"}'
)
CANONICAL = (
    '{"amt":"12.30","flag":true,"nested":{"a":1,"b":2},"orgCodg":"H00000000001",'
    '"payOrdId":"PO0001","userName":"测试"}'
)
ENC_DATA = (
    "57125D5E5897365BC91FA25097453DBFF0FAA177F4A3DC62282EC91E651BB4F8CD6BD394D43C2B69ADDE72D3F1DB8720"
    "FF85B518DA6BC628080553BC2B2DA5E31872DF7605F9A24173534D2D91F71F73AADA897DBE32A92975E06B437D38CB8F"
    "A292CD8007BF745A527CDEA16600A8B7FF30926AFBD3FCC5161F0C4F717A5B6B"
)
SIGN_DATA = (
    "MW36d+5OkqTY//Dr+XcMPVE8IpXHnuhIk6KUC7VSaFSkoTxHlV2Kf5aixceFp0HnVZewHtY6rHK4YB6rdQAkJw=="
)
MESSAGE = {
    "appId": APP_ID,
    "encType": "SM4",
    "signType": "SM2",
    "version": "2.0.1",
    "timestamp": "20260101000000",
    "encData": ENC_DATA,
    "signData": SIGN_DATA,
}
NOW = datetime(2026, 1, 1, tzinfo=CHINA)
KEY = SigningKey.from_raw(PRIVATE)


def sealer(**options: str) -> Sealer:
    """One that talks to itself with the test pair."""
    return Sealer(
        Account(APP_ID, APP_SECRET),
        msgspec.convert(options, SealedOptions),
        signing_key=KEY,
        verify_key=KEY.public_key(),
    )


def test_the_key_of_the_data_follows_from_id_and_secret() -> None:
    """T and K2 of the sample account, as the reference states them."""
    assert encrypted_secret(APP_ID, APP_SECRET) == (
        "863B5F40C70B71EAE121C3A63F5A17B0B877AF100820A92747866D07A612F596"
        "4555423A23F85093CE42BEF128453255"
    )
    assert data_key(APP_ID, APP_SECRET) == b"863B5F40C70B71EA"


def test_the_canonical_text_is_the_stated_one() -> None:
    """Members ascending at every level, empty ones gone at every level, Chinese as it is."""
    assert canonical_data(json.loads(GIVEN), "json") == CANONICAL


def test_the_sign_text_is_the_stated_one() -> None:
    """Names ascending, the secret last; encData, signData and extra have no part."""
    members = {**MESSAGE, "data": json.loads(GIVEN), "extra": "x", "transType": "", "none": None}
    assert sign_text(members, APP_SECRET, "json") == (
        f"appId={APP_ID}&data={CANONICAL}&encType=SM4&signType=SM2"
        f"&timestamp=20260101000000&version=2.0.1&key={APP_SECRET}"
    )


def test_the_stated_message_opens() -> None:
    """The message of the vector, signed elsewhere: its data and its time."""
    opened = sealer().open(msgspec.json.encode(MESSAGE))
    assert opened.accepted
    assert opened.data == json.loads(CANONICAL)
    assert opened.sent == NOW
    assert opened.members == {
        name: MESSAGE[name] for name in ("appId", "encType", "signType", "version", "timestamp")
    }


def test_a_message_may_come_as_its_members() -> None:
    """A platform's answer holds the envelope inside other JSON that was decoded already."""
    assert sealer().open(MESSAGE).accepted


def test_the_stated_data_are_encrypted_as_stated() -> None:
    """Everything but the signature, which has a random part, is the vector's own."""
    made = json.loads(sealer(encrypted="canonical").seal(json.loads(GIVEN), now=NOW))
    signature = base64.b64decode(made.pop("signData"))
    assert len(signature) == 64
    assert made == {name: value for name, value in MESSAGE.items() if name != "signData"}


def test_the_data_are_encrypted_as_given_by_default() -> None:
    """A platform was seen to encrypt the members in their order with the empty ones."""
    made = json.loads(sealer().seal(json.loads(GIVEN), now=NOW))
    plain = sm4_ecb_decrypt(b"863B5F40C70B71EA", bytes.fromhex(made["encData"]))
    assert plain.decode() == GIVEN


def test_scalars_as_strings_are_the_other_reading() -> None:
    """The Java and C# reading: 2 is "2", true is "true", and 12.30 keeps its digits."""
    data = {"n": 2, "f": True, "no": False, "d": Decimal("12.30"), "l": [1, [0]], "e": None}
    assert canonical_data(data, "text") == (
        '{"d":"12.30","f":"true","l":["1",["0"]],"n":"2","no":"false"}'
    )
    assert canonical_data(data, "json") == '{"d":12.30,"f":true,"l":[1,[0]],"n":2,"no":false}'


def test_zero_and_false_are_not_empty() -> None:
    """Only "", null, {} and [] are left out."""
    assert canonical_data({"a": 0, "b": False, "c": "0"}, "json") == '{"a":0,"b":false,"c":"0"}'


def test_members_that_become_empty_go_too() -> None:
    """An object whose members are all empty is empty."""
    assert canonical_data({"a": {"b": [None, {"c": ""}]}}, "json") == ""
    assert sign_text({"appId": "A", "data": {"a": [{}]}}, "S", "json") == "appId=A&key=S"


def test_numbers_outside_the_data_are_their_decimal_text_in_both_readings() -> None:
    """A timestamp may be a JSON number; a platform's answer has a code."""
    members = {"timestamp": 1767196800000, "code": 0, "success": True, "appId": "A"}
    expected = "appId=A&code=0&success=true&timestamp=1767196800000&key=S"
    assert sign_text(members, "S", "json") == expected
    assert sign_text(members, "S", "text") == expected


def test_leaves_that_are_strings_make_the_readings_equal() -> None:
    """What to do while a platform's reading is not known."""
    data = {"amt": "12.30", "list": [{"b": "1", "a": "测试"}]}
    assert canonical_data(data, "json") == canonical_data(data, "text")


CHOICES = {
    "scalars": ("json", "text"),
    "encrypted": ("given", "canonical"),
    "hex_case": ("upper", "lower"),
    "timestamp": ("calendar", "milliseconds"),
    "id_member": ("appId", "appCode"),
}


@pytest.mark.parametrize("chosen", list(itertools.product(*CHOICES.values())), ids="-".join)
def test_every_combination_of_options_opens_what_it_seals(chosen: tuple[str, ...]) -> None:
    """Thirty-two envelopes; the transaction type is signed, extra is carried."""
    options = dict(zip(CHOICES, chosen, strict=True))
    data = {"userName": "测试", "list": [{"a": "1"}], "n": Decimal("0.10")}
    made = sealer(**options).seal(data, now=NOW, trans_type="ec.query", extra={"k": 1})
    opened = sealer(**options).open(made)
    assert opened.reasons == ()
    assert opened.sent == NOW
    assert (opened.members["transType"], opened.members["extra"]) == ("ec.query", {"k": 1})
    as_text = (options["scalars"], options["encrypted"]) == ("text", "canonical")
    assert opened.data == {**data, "n": "0.10" if as_text else Decimal("0.10")}


def test_options_show_in_the_message() -> None:
    """Names, cases and forms are what was asked for."""
    asked = sealer(
        id_member="appCode", hex_case="lower", timestamp="milliseconds", version="1.0.0"
    ).seal({"a": "1"}, now=NOW)
    made = json.loads(asked)
    assert list(made) == [
        "appCode", "encType", "signType", "version", "timestamp", "encData", "signData",
    ]  # fmt: skip
    assert (made["version"], made["timestamp"]) == ("1.0.0", "1767196800000")
    assert made["encData"] == made["encData"].lower()
    assert len(made["signData"]) == 88


@pytest.mark.parametrize("data", [{}, [], {"a": ""}, [None]])
@pytest.mark.parametrize("encrypted", ["given", "canonical"])
def test_empty_data_travel(data: Any, encrypted: str) -> None:
    """Data without any content are not part of the sign text, and still readable."""
    opened = sealer(encrypted=encrypted).open(sealer(encrypted=encrypted).seal(data, now=NOW))
    expected = data if encrypted == "given" else type(data)()
    assert (opened.accepted, opened.data) == (True, expected)


def test_lower_case_and_a_number_as_time_are_read() -> None:
    """Platforms answer in lower case; the time may be a JSON number with the same digits."""
    number = {**MESSAGE, "encData": ENC_DATA.lower(), "timestamp": 20260101000000}
    assert sealer().open(number).accepted


def test_an_empty_clear_data_member_is_read_past() -> None:
    """Some answers carry `data` empty beside `encData`."""
    assert sealer().open({**MESSAGE, "data": None}).accepted


def test_times_are_china_standard_time() -> None:
    """Sixteen o'clock in Greenwich is midnight of the next day."""
    moment = datetime(2025, 12, 31, 16, tzinfo=UTC) + timedelta(milliseconds=7)
    assert timestamp_text(moment, "calendar") == "20260101000000"
    assert timestamp_text(moment, "milliseconds") == "1767196800007"
    assert read_timestamp(1767196800007) == moment


@pytest.mark.parametrize(
    "value",
    ["", "2026", "20261301000000", "20260101000060", "２０２６０１０１００００００", "1e12", "1767196800",
     True, -1, 0, 10**15, pytest.param(10**5000, id="long"), Decimal(1767196800000), None, [], {}],
)  # fmt: skip
def test_what_is_no_time_is_none(value: Any) -> None:
    """Other lengths, other digits, days that do not exist, seconds since 1970."""
    assert read_timestamp(value) is None


def test_keys_are_read_as_bureaus_hand_them_out() -> None:
    """Base64 of 32, of 65 and of 64 bytes."""
    private = signing_key_from_base64(base64.b64encode(PRIVATE).decode() + "\n")
    public = verify_key_from_base64(base64.b64encode(PUBLIC).decode())
    assert private.public_key() == public == VerifyKey.from_raw(PUBLIC)
    assert verify_key_from_base64(base64.b64encode(PUBLIC[1:]).decode()) == public


@pytest.mark.parametrize("text", ["", "not base64", "AAAA", "MTIz", "密"])
def test_what_is_no_key_is_a_configuration_error(text: str) -> None:
    """The start stops with a reason."""
    with pytest.raises(ConfigurationError):
        signing_key_from_base64(text)
    with pytest.raises(ConfigurationError):
        verify_key_from_base64(text)


@pytest.mark.parametrize(
    ("app_id", "secret"),
    [("short", "s"), ("测" * 16, "s"), (APP_ID, ""), (APP_ID + "&", "s"), ("", "")],
)
def test_an_account_that_gives_no_key_is_refused(app_id: str, secret: str) -> None:
    """Sixteen ASCII characters are the first key; an empty secret protects nothing."""
    with pytest.raises(ConfigurationError):
        Account(app_id, secret)


def test_a_wrong_option_is_refused() -> None:
    """Profiles are converted, so an unknown name or value stops the start."""
    for wrong in ({"hex_case": "Upper"}, {"hexcase": "upper"}, {"scalars": "string"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, SealedOptions)


@pytest.mark.parametrize(
    "data",
    [
        {"a": 1.5},
        {"a": float("nan")},
        {"a": Decimal("NaN")},
        {"a": Decimal("1E+50")},
        {"a": 10**50},
        {"a": b"x"},
        {"a": object()},
        {1: 2},
        {"a": "\ud800"},
        {"a": {1, 2}},
    ],
)
def test_what_would_not_arrive_exactly_is_not_sealed(data: Any) -> None:
    """Floats above all: an amount is a Decimal."""
    with pytest.raises(ValueError):  # noqa: PT011 - which of the rules broke does not matter
        sealer().seal(data, now=NOW)
    with pytest.raises(ValueError):  # noqa: PT011 - the same for what is not signed
        sealer().seal({}, now=NOW, extra=data)


def test_the_depth_is_limited() -> None:
    """Sixty-four levels pass, one more does not."""
    deep: Any = "1"
    for _ in range(64):
        deep = [deep]
    check_exact(deep)
    with pytest.raises(ValueError, match="deep"):
        check_exact([deep])


def test_a_member_that_could_be_read_as_two_is_not_sealed() -> None:
    """`transType=a&version=9` has the text of two members."""
    with pytest.raises(ValueError, match="&"):
        sealer().seal({}, now=NOW, trans_type="a&version=9")


def test_a_time_without_zone_is_not_sealed() -> None:
    """The machine may stand anywhere."""
    with pytest.raises(ValueError, match="zone"):
        sealer().seal({}, now=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_a_negative_zero_is_signed_as_it_is_read() -> None:
    """JSON -0 is read as 0; signing "-0" would make the own message wrong."""
    assert sealer().open(sealer().seal({"a": Decimal("-0"), "b": 1}, now=NOW)).accepted


def test_text_forms_show_neither_secret_nor_data() -> None:
    """Both may end up in a log, or in what rich prints of an error."""
    account = Account(APP_ID, APP_SECRET)
    opened = sealer().open(MESSAGE)
    texts = [repr(account), str(account), pretty_repr(account)]
    texts += [repr(opened), str(opened), pretty_repr(opened)]
    assert not [text for text in texts if APP_SECRET in text or "测试" in text]
    assert pretty_repr(account) == repr(account)
    assert "reasons" in pretty_repr(opened)
