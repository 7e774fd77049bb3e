"""What is read and what is not: JSON, limits, shapes."""

from __future__ import annotations

import json
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import MessageError, UnreadableError, UnsupportedError
from gateway.fhir.decode import decode, encode
from gateway.fhir.reader import Reader
from gateway.fhir.release import R4
from gateway.fhir.shapes import Shapes
from gateway.settings import FHIRSettings
from tests.nesting import nested

READER = Reader(R4, FHIRSettings(max_items=3, max_depth=12))
CREATE_TASK = {"interaction": "create", "type": "Task"}
TASK = '{"resourceType":"Task","status":"requested","intent":"order"%s}'


def complaint(text: Any, meta: Any = CREATE_TASK) -> Any:
    """Code and place of the only problem of a text."""
    with pytest.raises(MessageError) as caught:
        READER.read(text.encode() if isinstance(text, str) else text, meta)
    (problem,) = caught.value.problems
    return problem.code.value, problem.place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"Task"',
        "null",
        '{"resourceType":"Task"} {}',
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":01}',
        '{"a":"\\ud800"}',
        '<Task xmlns="http://hl7.org/fhir"/>',
    ],
)
def test_what_is_not_a_json_object_is_unreadable(text: str) -> None:
    """X-003; NaN and lone surrogates are not JSON either."""
    assert complaint(text)[0] == "READ-SYNTAX"


@pytest.mark.parametrize("text", [b'{"a":"\xff"}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00"])
def test_bytes_that_are_not_plain_utf_8_are_called_so(text: bytes) -> None:
    """X-003, X-019: FHIR is UTF-8, without a byte order mark."""
    assert complaint(text)[0] == "READ-CHARSET"


def test_a_member_that_appears_twice_is_refused() -> None:
    """Nobody guesses which of two values was meant; at any depth."""
    assert complaint(TASK % ',"status":"draft"')[0] == "READ-SYNTAX"
    text = '{"resourceType":"Task","status":"requested","intent":"order","code":{"text":"a","text":"b"}}'
    with pytest.raises(UnreadableError) as caught:
        READER.read(text.encode(), CREATE_TASK)
    assert "text" in caught.value.problems[0].en


def test_colons_quotes_and_escapes_in_strings_are_no_members() -> None:
    """The count of members is taken outside of strings."""
    text = TASK % ',"description":"a\\":{\\"b\\":[1,2]}:\\\\"'

    assert READER.read(text.encode(), CREATE_TASK).type_name == "Task"


def test_a_body_that_is_too_deep_is_refused() -> None:
    """Twelve levels are allowed here; a hundred thousand do not bring the process down."""
    assert complaint('{"a":' * 13 + "1" + "}" * 13)[0] == "READ-LIMIT"
    assert complaint("[" * 100_000)[0] == "READ-LIMIT"


def test_a_body_of_too_many_values_is_refused_before_it_is_built() -> None:
    """Three million empty lists would take hundreds of megabytes; the refusal takes the text."""
    raw = b'{"a":[' + b"[]," * 3_000_000 + b"[]]}"
    tracemalloc.start()
    with pytest.raises(UnreadableError):
        decode(raw, max_depth=12)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 * len(raw)


def test_an_endless_string_is_scanned_once() -> None:
    """Ten million escaped quotes and no end: linear, not quadratic."""
    with pytest.raises(UnreadableError):
        decode(b'{"a":"' + b'\\"' * 5_000_000, max_depth=12)


@pytest.mark.parametrize("number", ["1e400", "1e-400", "9" * 31, "0." + "1" * 31])
def test_a_number_out_of_range_is_refused(number: str) -> None:
    """No arithmetic on a number that a text of eight characters makes endless."""
    assert complaint(f'{{"a":{number}}}')[0] == "READ-LIMIT"


def test_every_digit_of_a_number_is_kept() -> None:
    """12.50 is read as 12.50 and written as 12.50."""
    text = b'{"a":12.50,"b":0.10,"c":1e2,"d":7}'

    assert encode(decode(text, max_depth=2)) == b'{"a":12.50,"b":0.10,"c":1E+2,"d":7}'


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (',"surprise":1', ("READ-SYNTAX", "Task.surprise")),
        (',"张三":1', ("READ-SYNTAX", "Task")),
        (',"focus":[]', ("READ-SYNTAX", "Task.focus")),
        (',"identifier":{}', ("READ-SYNTAX", "Task.identifier")),
        (',"identifier":[]', ("READ-SYNTAX", "Task.identifier")),
        (',"identifier":[{"value":7}]', ("FIELD-TYPE", "Task.identifier[0].value")),
        (',"identifier":[{"value":""}]', ("READ-SYNTAX", "Task.identifier[0].value")),
        (',"description":null', ("FIELD-TYPE", "Task.description")),
        (',"description":"\\u0000"', ("FIELD-TYPE", "Task.description")),
        (',"priority":"soon"', ("FIELD-VALUE", "Task.priority")),
        (',"authoredOn":"2026-02-30"', ("FIELD-TYPE", "Task.authoredOn")),
        (',"authoredOn":"2026-03-01T10:00"', ("FIELD-TYPE", "Task.authoredOn")),
        (',"restriction":{"repetitions":0}', ("FIELD-TYPE", "Task.restriction.repetitions")),
        (',"input":[{"type":{},"valueString":"a"}]', ("READ-SYNTAX", "Task.input[0].type")),
        (
            ',"input":[{"type":{"text":"a"},"valueString":"a","valueCode":"b"}]',
            ("READ-SYNTAX", "Task.input[0].value"),
        ),
        (',"input":[{"type":{"text":"a"}}]', ("FIELD-REQUIRED", "Task.input[0].value")),
        (
            ',"contained":[{"resourceType":"Nothing"}]',
            ("READ-SYNTAX", "Task.contained[0].resourceType"),
        ),
        (',"_status":"x"', ("READ-SYNTAX", "Task.status")),
    ],
)
def test_a_wrong_shape_is_said_with_its_place(more: str, expected: Any) -> None:
    """Unknown elements, cardinality, types, choices and required bindings (R4 shapes)."""
    assert complaint(TASK % more) == expected


def test_required_bindings_are_held() -> None:
    """The models of fhir.resources let any status pass; R4 does not."""
    text = '{"resourceType":"Task","status":"nonsense","intent":"order"}'

    assert complaint(text) == ("FIELD-VALUE", "Task.status")


def test_a_value_never_stands_in_a_problem() -> None:
    """A name in the wrong place stays out of the text."""
    text = TASK % ',"priority":"秘密","authoredOn":"秘密","秘密":1'
    with pytest.raises(UnreadableError) as caught:
        READER.read(text.encode(), CREATE_TASK)

    assert len(caught.value.problems) == 3
    assert "秘密" not in str([(p.zh, p.en, p.place, p.detail) for p in caught.value.problems])


def test_a_resource_of_another_type_is_refused() -> None:
    """X-003: the type in the path is the type of the body."""
    text = '{"resourceType":"Basic","code":{"text":"a"}}'

    assert complaint(text) == ("READ-SYNTAX", "Basic")


def test_a_type_that_is_not_created_here_is_unsupported() -> None:
    """An Organization comes from the settings."""
    with pytest.raises(UnsupportedError):
        READER.read(b'{"resourceType":"Organization"}', {})


def test_an_update_under_another_id_is_refused() -> None:
    """X-007."""
    text = '{"resourceType":"Encounter","id":"a","status":"planned","class":{"code":"AMB"}}'
    meta = {"interaction": "update", "type": "Encounter", "id": "b"}

    assert complaint(text, meta) == ("FIELD-VALUE", "Encounter.id")


def test_more_items_than_the_limit_are_refused(make_claim: Any) -> None:
    """Three items are allowed here."""
    claim = make_claim()
    claim["item"] = claim["item"] * 2
    raw = encode(claim)

    assert complaint(raw, {"interaction": "create", "type": "Claim"}) == (
        "READ-LIMIT",
        "Claim.item",
    )


def test_an_empty_bundle_has_no_claim() -> None:
    """$submit needs the Claim first."""
    text = '{"resourceType":"Bundle","type":"collection"}'

    assert complaint(text, {"interaction": "submit", "type": "Claim"}) == (
        "READ-SYNTAX",
        "Bundle.entry",
    )


def test_an_unknown_type_name_has_no_shape() -> None:
    """Names that are no FHIR type are looked up nowhere else."""
    shapes = Shapes("R4B")

    assert shapes.of("os") is None
    assert shapes.of("__init__") is None
    assert shapes.of("Money") is None
    assert shapes.of("Claim") is not None


def resource_or_problems(raw: bytes) -> object:
    """What was read, or what is said of it: never neither."""
    try:
        return READER.read(raw, CREATE_TASK)
    except MessageError as error:
        return error.problems and all(problem.zh and problem.en for problem in error.problems)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Parse, or raise our one error."""
    assert resource_or_problems(raw)


JSON = nested(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "status", "item", "_status", "contained", "extension", "code", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_in_place_of_any_element_is_read_or_refused(value: Any) -> None:
    """The walk over a stranger's tree ends in problems and never in a crash."""
    tree = {"resourceType": "Task", "status": value, "code": value, "contained": [value]}
    assert resource_or_problems(json.dumps(tree, default=str).encode())


@pytest.mark.parametrize(
    "text",
    [
        r'{"a":"\":","b":"x\\"}',
        r'{"a":"\\\":","b":{"c":"{[:,"}}',
        '{"a" : ["\\u0022:", {"b" :\n1}]}',
        '{"a":"e1","b":true,"c":false,"d":12.5}',
        r'{"a\\":1,"b":"\":"}',
    ],
)
def test_what_stands_in_a_text_is_no_member(text: str) -> None:
    """Quotes, colons and brackets inside of texts change neither counts nor depth."""
    assert decode(text.encode(), max_depth=3) == json.loads(text, parse_float=Decimal)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a":1,"b":{"c":1,"c":2}}', "c"),
        ('{"a":"\\":","a":"\\":"}', "a"),
        ('{"a":[[[1]]]}', "3"),
        ('{"a":1e31}', "range"),
        ('{"a":1234567890123456789012345678901}', "range"),
        ('{"a":0.1234567890123456789012345678901}', "range"),
    ],
)
def test_a_body_beyond_its_limits_is_refused_with_the_limit(text: str, told: str) -> None:
    """Members that stand twice, nesting and numbers out of range."""
    with pytest.raises(UnreadableError) as refused:
        decode(text.encode(), max_depth=3)
    assert told in refused.value.problems[0].en
