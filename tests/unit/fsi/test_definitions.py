"""The definition files hold together and say what the interface text says."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from gateway.errors import ConfigurationError
from gateway.fsi import definitions
from gateway.fsi.definitions import EDITIONS, Definitions, Node, Transaction


def test_every_transaction_of_the_text_is_there() -> None:
    """204 transaction numbers, one of which (4101) has a form of its own in Hunan."""
    assert len(Definitions.load().infnos()) == 204
    assert Definitions.load("HN").transaction("4101").edition == "HN"
    assert Definitions.load("GD").transaction("4101").edition == ""


@pytest.mark.parametrize("edition", ["", *sorted(EDITIONS)])
def test_every_transaction_can_be_laid_over_for_every_edition(edition: str) -> None:
    """Overlaying an edition leaves no duplicate code and no node without its parent."""
    loaded = Definitions.load(edition)
    for infno in loaded.infnos():
        transaction = loaded.transaction(infno)
        for side in (transaction.input, transaction.output):
            names = {node.name for node in side}
            for node in side:
                codes = [field.code for field in node.fields]
                assert len(codes) == len(set(codes)), (infno, node.name)
                assert node.parent is None or node.parent in names


def test_an_unknown_edition_is_refused() -> None:
    """A misspelt edition in a profile does not silently give the base."""
    with pytest.raises(ConfigurationError, match="XX"):
        Definitions.load("XX")


def test_a_charge_line_has_the_lengths_of_the_table() -> None:
    """F-009, 2204: cnt is 16,4, pric 16,6, the amount 16,2, the item code 50 characters."""
    node = Definitions.load().transaction("2204").input[0]
    assert (node.name, node.repeats, node.required) == ("feedetail", True, True)
    limits = {
        code: (field.type, field.precision, field.scale, field.max_length)
        for code in ("cnt", "pric", "det_item_fee_sumamt", "med_list_codg")
        if (field := node.field(code))
    }
    assert limits == {
        "cnt": ("number", 16, 4, None),
        "pric": ("number", 16, 6, None),
        "det_item_fee_sumamt": ("number", 16, 2, None),
        "med_list_codg": ("string", None, None, 50),
    }


def test_hunan_types_the_charge_number_as_digits() -> None:
    """2204 feedetl_sn: text of 30 in the base, a number of at most 15 digits in Hunan."""
    base = Definitions.load().transaction("2204").input[0].field("feedetl_sn")
    hunan = Definitions.load("HN").transaction("2204").input[0].field("feedetl_sn")
    assert base is not None
    assert hunan is not None
    assert (base.type, base.max_length) == ("string", 30)
    assert (hunan.type, hunan.precision, hunan.scale) == ("number", 15, 0)


def test_an_extension_field_exists_only_in_its_edition() -> None:
    """2201 card_sn was added in Hunan."""
    assert Definitions.load().transaction("2201").input[0].field("card_sn") is None
    assert Definitions.load("HN").transaction("2201").input[0].field("card_sn") is not None


def test_an_input_field_takes_the_name_of_the_edition() -> None:
    """1901 parentValue is parent_value in Hunan, and the other name stays an alias."""
    field = Definitions.load("HN").transaction("1901").input[0].field("parent_value")
    assert field is not None
    assert "parentValue" in field.aliases


def test_a_misspelt_output_field_is_an_alias_of_the_base_name() -> None:
    """2208 answers pdn_cash_pay in four editions; the gateway sees psn_cash_pay."""
    for edition in ("", "HN", "SZ"):
        node = Definitions.load(edition).transaction("2208").node("setlinfo", "output")
        assert node is not None
        field = node.field("psn_cash_pay")
        assert field is not None
        assert "pdn_cash_pay" in field.aliases


def test_reversal_covers_fewer_transactions_in_hunan() -> None:
    """2601 undoes 2102, 2207, 2304 and 2401 in Hunan, also 2103, 2208 and 2305 elsewhere."""
    assert Definitions.load("HN").transaction("2601").cancels == ("2102", "2207", "2304", "2401")
    assert set(Definitions.load().transaction("2601").cancels) == {
        "2102", "2103", "2207", "2208", "2304", "2305", "2401",
    }  # fmt: skip


def test_hunan_has_no_regional_dictionary_values_of_others() -> None:
    """med_type 21 is the stay of other regions; Hunan writes 2101."""
    assert "21" in Definitions.load().dictionary("med_type")
    assert "21" not in Definitions.load("HN").dictionary("med_type")
    assert Definitions.load("HN").dictionary("med_type")["2101"] == "普通住院"


def test_the_envelope_has_eighteen_request_fields() -> None:
    """The request of the common envelope, in the order of the text."""
    codes = [field.code for field in Definitions.load().envelope.request]
    assert len(codes) == 18
    assert codes[:4] == ["infno", "msgid", "mdtrtarea_admvs", "insuplc_admdvs"]
    assert codes[-1] == "input"


def test_every_transaction_names_its_sources() -> None:
    """A definition without a source could not be checked by anybody."""
    loaded = Definitions.load()
    assert [i for i in loaded.infnos() if not loaded.transaction(i).sources] == []


def test_the_data_files_are_readable_json_with_plain_chinese() -> None:
    """No escaped Chinese in the files, which people read and compare."""
    folder = files(definitions).joinpath("transactions")
    for file in folder.iterdir():
        text = file.read_text("utf-8")
        json.loads(text)
        assert "\\u" not in text


def _transaction(**changes: object) -> Transaction:
    node = Node(name="data", fields=())
    return Transaction(infno="1", name="x", kind="submit", input=(node,), output=(), **changes)  # type: ignore[arg-type]  # the changes are given by name in the tests below


def test_a_cancel_of_nothing_is_refused() -> None:
    """A pair whose other half is missing is a mistake in the data."""
    with pytest.raises(ConfigurationError, match="9999"):
        definitions._check({"1": _transaction(cancels=("9999",))}, {})


def test_a_field_that_occurs_twice_is_refused() -> None:
    """Two fields of one code in one node cannot both be meant."""
    field = definitions.Field(code="a", name="a", type="string")
    broken = (Node(name="data", fields=(field, field)),)
    with pytest.raises(ConfigurationError, match="twice"):
        definitions._check_side(broken, {}, "x.json")


def test_a_node_in_an_unknown_node_is_refused() -> None:
    """The parent of a nested node has to be defined."""
    broken = (Node(name="data", fields=(), parent="nowhere"),)
    with pytest.raises(ConfigurationError, match="unknown node"):
        definitions._check_side(broken, {}, "x.json")


def test_an_unknown_dictionary_is_refused() -> None:
    """A field cannot take its values from a set that is not there."""
    field = definitions.Field(code="a", name="a", type="string", dictionary="nothing")
    with pytest.raises(ConfigurationError, match="nothing"):
        definitions._check_side((Node(name="data", fields=(field,)),), {}, "x.json")


def test_a_file_that_cannot_be_read_is_named() -> None:
    """A missing or broken data file stops the start and is named."""
    with pytest.raises(ConfigurationError, match=r"transactions/0000\.json"):
        definitions._read("transactions/0000.json", Transaction)
    with pytest.raises(ConfigurationError, match=r"envelope\.json"):
        definitions._read("envelope.json", Transaction)


@pytest.mark.parametrize(
    "field",
    [
        definitions.Field(code="a", name="a", type="string", max_length=0),
        definitions.Field(code="a", name="a", type="number", precision=2, scale=3),
    ],
)
def test_impossible_lengths_are_refused(field: definitions.Field) -> None:
    """A text of no characters, a number with more decimals than digits."""
    with pytest.raises(ConfigurationError, match=r"data\.a"):
        definitions._check_side((Node(name="data", fields=(field,)),), {}, "x.json")


def test_unknown_names_are_key_errors() -> None:
    """Asking for what is not there is a mistake of the caller."""
    with pytest.raises(KeyError):
        Definitions.load().transaction("0000")
    with pytest.raises(KeyError):
        Definitions.load().dictionary("nothing")
    assert "0000" not in Definitions.load()
