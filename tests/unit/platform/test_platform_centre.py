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
from conformance.platform.inspection import Inspector
from conformance.platform.store import Store
from conformance.platform.tables import Catalogue, Policies
from conformance.platform.transactions import HANDLERS
from conformance.platform.wire import decode, encode
from gateway.fsi.definitions import Definitions, Field, Node
from gateway.fsi.profiles import load_profile
from gateway.fsi.samples import sample_input
from tests.nesting import nested

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
    """A filled input is accepted or refused for a business reason; an output is as defined."""
    nodes = BASE.transaction(infno).input
    content: dict[str, Any] = {}
    for node in nodes:
        if node.parent is None and node.name:
            content[node.name] = filled(node, nodes)
        elif node.parent is None:
            content.update(filled(node, nodes))
    reply = ask(centre, infno, content)
    assert "入参校验失败" not in reply.err_msg
    if reply.infcode != 0:
        assert infno in HANDLERS
        return
    assert decode(centre.encode(reply))["infcode"] == 0
    if reply.file is None:
        assert Inspector(BASE, frozenset()).output(infno, reply.output) == []


@pytest.mark.parametrize("profile", ["hunan", "guangdong"])
def test_every_transaction_of_an_edition_is_answered_in_form(profile: str) -> None:
    """The sample of each transaction as a region's edition has it."""
    loaded = load_profile(profile)
    definitions = Definitions.load(loaded.edition)
    config = RegionConfig(
        code="430100",
        name="长沙市",
        edition=loaded.edition,
        open_dictionaries=tuple(loaded.open_dictionaries),
        institutions=[InstitutionConfig(fixmedins_code="H43010000001", fixmedins_name="示范")],
    )
    store = Store()
    tables = Tables(store=store, catalogue=Catalogue.load(), policies=Policies.load())
    tested = Centre(config, tables, ("430100",), lambda: NOW)
    inspector = Inspector(definitions, frozenset(loaded.open_dictionaries))
    wrong: dict[str, object] = {}
    for infno in definitions.infnos():
        reply = ask(tested, infno, sample_input(definitions, loaded, infno))
        if reply.infcode == 0:
            found = [] if reply.file else inspector.output(infno, reply.output)
            found += [] if reply.file else missing_nodes(definitions, infno, reply.output)
        else:
            found = [] if infno in HANDLERS else [reply.err_msg]
            found += [reply.err_msg] if "入参校验失败" in reply.err_msg else []
        if found:
            wrong[infno] = found
    store.close()
    assert wrong == {}


def missing_nodes(definitions: Definitions, infno: str, output: Any) -> list[str]:
    """Nodes of the output's definition that a reply does not have."""
    if isinstance(output, list):
        return []
    nodes = definitions.transaction(infno).output
    return [n.name for n in nodes if n.parent is None and n.name and n.name not in output]


def test_what_has_no_behaviour_of_its_own_is_kept_and_echoed(centre: Centre) -> None:
    """A submitted input can be looked up, and the reply names what the input named."""
    infno = "2507"
    before = len(kept(centre, infno))
    nodes = BASE.transaction(infno).input
    content = {node.name: filled(node, nodes) for node in nodes if node.parent is None}
    assert ask(centre, infno, content).infcode == 0
    after = kept(centre, infno)
    assert len(after) == before + 1
    assert decode(after[-1].encode()) == content


def kept(centre: Centre, infno: str) -> list[str]:
    """The inputs of a transaction that a centre keeps, as JSON texts."""
    rows = centre._tables.store.all("SELECT input FROM documents WHERE infno = ?", infno)
    return [row["input"] for row in rows]


anything = nested(
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
