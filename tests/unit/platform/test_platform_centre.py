"""A centre without a network: every transaction, and inputs of any shape."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.platform.call import Tables
from conformance.platform.centre import Centre, Reply
from conformance.platform.config import InstitutionConfig, RegionConfig
from conformance.platform.store import Store
from conformance.platform.tables import Catalogue, Policies
from conformance.platform.transactions import HANDLERS
from conformance.platform.wire import decode, encode
from gateway.fsi.definitions import Definitions, Field, Node

NOW = datetime(2026, 3, 2, 10, 0, 0, tzinfo=timezone(timedelta(hours=8)))
SERIALS = count(1)

BASE = Definitions.load("")


@pytest.fixture(scope="module")
def centre() -> Iterator[Centre]:
    """A centre that asks for no signature and no sign-in."""
    config = RegionConfig(
        code="430100",
        name="长沙市",
        institutions=[InstitutionConfig(fixmedins_code="H43010000001", fixmedins_name="示范")],
    )
    store = Store()
    tables = Tables(store=store, catalogue=Catalogue.load(), policies=Policies.load())
    yield Centre(config, tables, ("430100",), lambda: NOW)
    store.close()


def ask(centre: Centre, infno: str, content: Any, /, **changes: Any) -> Reply:
    """The reply to an input under a new message id."""
    serial = next(SERIALS)
    envelope = {
        "infno": infno,
        "msgid": f"H43010000001202603021{serial // 10_000:05d}{serial % 10_000:04d}",
        "mdtrtarea_admvs": "430100",
        "recer_sys_code": "99",
        "infver": "V1.0",
        "opter_type": "1",
        "opter": "001",
        "opter_name": "收费员",
        "inf_time": "2026-03-02 10:00:00",
        "fixmedins_code": "H43010000001",
        "fixmedins_name": "示范",
        "input": content,
        **changes,
    }
    return centre.handle(encode(envelope), "")


def filled(node: Node, nodes: tuple[Node, ...]) -> Any:
    """A node with a value in every field, formed after the definition."""
    row = {field.code: value_of(field) for field in node.fields}
    for child in nodes:
        if child.parent == node.name and child is not node:
            row[child.name] = filled(child, nodes)
    return [row] if node.repeats else row


def value_of(field: Field) -> Any:
    """A value that keeps to the definition of the field."""
    if field.code == "feedetl_sn" or field.type == "number":
        return 1
    if field.type == "datetime":
        return "2026-03-02 10:00:00"
    if field.type == "date":
        return "2026-03-02"
    if field.type == "json":
        return {}
    if field.dictionary:
        return next(iter(BASE.dictionary(field.dictionary)))
    return "1"


@pytest.mark.parametrize("infno", BASE.infnos())
def test_every_transaction_is_answered_in_form(centre: Centre, infno: str) -> None:
    """A filled input is accepted or refused for a business reason; an output has its nodes."""
    nodes = BASE.transaction(infno).input
    content: dict[str, Any] = {}
    for node in nodes:
        if node.parent is None and node.name:
            content[node.name] = filled(node, nodes)
        elif node.parent is None:
            content.update(filled(node, nodes))
    reply = ask(centre, infno, content)
    assert "入参校验失败" not in reply.err_msg
    if reply.infcode == 0:
        names = {node.name for node in BASE.transaction(infno).output if node.name}
        members = {f.code for n in BASE.transaction(infno).output if not n.name for f in n.fields}
        assert set(reply.output) <= names | members
        assert decode(centre.encode(reply))["infcode"] == 0
    else:
        assert infno in HANDLERS


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), infno=st.sampled_from(sorted(HANDLERS)))
def test_an_input_of_any_shape_gets_a_reply(
    centre: Centre, data: st.DataObject, infno: str
) -> None:
    """Whatever stands in the nodes and fields of a transaction: a reply, never an exception."""
    nodes = BASE.transaction(infno).input
    content = {node.name: filled(node, nodes) for node in nodes}
    node = data.draw(st.sampled_from(nodes))
    holder = content[node.name]
    if data.draw(st.booleans()):
        content[node.name] = data.draw(anything)
    else:
        row = holder[0] if isinstance(holder, list) else holder
        field = data.draw(st.sampled_from(node.fields))
        row[field.code] = data.draw(anything)
    reply = ask(centre, infno, content)
    assert reply.infcode in {0, -1}
    assert (reply.infcode == 0) == (reply.err_msg == "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(member=st.sampled_from([f.code for f in BASE.envelope.request]), value=anything)
def test_an_envelope_of_any_shape_gets_a_reply(centre: Centre, member: str, value: Any) -> None:
    """Whatever a member of the outer message holds."""
    reply = ask(centre, "1101", {"data": {}}, **{member: value})
    assert (reply.infcode, bool(reply.err_msg)) == (-1, True)


def test_half_a_surrogate_pair_gets_a_reply(centre: Centre) -> None:
    """JSON can spell a character that UTF-8 cannot."""
    body = encode({"infno": "1101", "input": {"data": {"psn_name": "?"}}})
    assert centre.handle(body.replace(b"?", rb"\ud800"), "1101").infcode == -1


@given(body=st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_get_a_reply(centre: Centre, body: bytes) -> None:
    """No JSON, no object: the refusal says so."""
    assert centre.handle(body, "1101").infcode == -1
