"""Conformance statements of FHIR REST (X-001 to X-062): each has a test, or a reason why not yet.

The numbers are those of the conformance statements, section "FHIR REST". A test stands here as file
and name.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]

WHOLE = "acceptance/test_statements_over_fhir.py"
FIELDS = "acceptance/test_fields_over_fhir.py"
FILINGS = "acceptance/test_filings_over_fhir.py"
CAPABILITY = "integration/fhir/test_fhir_capability.py"
HOSTILE = "integration/fhir/test_fhir_hostile.py"
HTTP = "integration/fhir/test_fhir_http.py"
REST = "integration/fhir/test_fhir_rest.py"
LATER = "integration/fhir/test_fhir_later.py"
BUNDLES = "integration/fhir/test_fhir_bundles.py"
OPERATIONS = "integration/fhir/test_fhir_operations.py"

COVERED: dict[int, tuple[str, str]] = {
    1: (WHOLE, "test_a_settlement_is_answered_to_the_fen"),
    2: (HTTP, "test_id_and_meta_of_a_create_are_ignored"),
    3: (HOSTILE, "test_a_body_in_another_encoding_is_named"),
    4: (WHOLE, "test_amounts_and_lines_are_checked_before_anything_is_sent"),
    5: (HTTP, "test_what_is_not_there_is_said_in_fhir"),
    6: (HTTP, "test_what_was_deleted_is_gone_and_what_never_was_is_not_found"),
    7: (HTTP, "test_an_unknown_id_is_not_created_by_an_update"),
    8: (HTTP, "test_an_unknown_id_is_not_created_by_an_update"),
    9: (REST, "test_an_encounter_is_created_and_updated"),
    10: (REST, "test_a_conditional_create_asks_nothing_twice"),
    11: (LATER, "test_a_conditional_create_that_finds_one_names_it"),
    12: (REST, "test_a_conditional_create_asks_nothing_twice"),
    13: (LATER, "test_a_conditional_create_that_finds_one_names_it"),
    14: (WHOLE, "test_equal_claims_at_once_settle_once"),
    15: (HTTP, "test_content_is_negotiated"),
    16: (HTTP, "test_content_is_negotiated"),
    17: (HTTP, "test_the_format_parameter_overrides_accept"),
    18: (HTTP, "test_content_is_negotiated"),
    19: (HTTP, "test_content_is_negotiated"),
    20: (
        "integration/fhir/test_fhir_releases.py",
        "test_the_mime_version_may_not_contradict_the_base",
    ),
    21: (CAPABILITY, "test_everything_served_is_claimed_and_everything_claimed_is_served"),
    22: (CAPABILITY, "test_every_claimed_parameter_include_and_format_is_taken"),
    23: (REST, "test_a_claim_is_created_read_and_found"),
    24: (REST, "test_a_claim_is_created_read_and_found"),
    25: (REST, "test_an_unknown_parameter_is_ignored_unless_strict"),
    26: (BUNDLES, "test_a_batch_is_answered_entry_by_entry"),
    27: (BUNDLES, "test_a_visit_is_cancelled_again_when_the_settlement_is_not_sent"),
    28: (BUNDLES, "test_a_transaction_with_two_settlements_is_refused"),
    29: (BUNDLES, "test_a_transaction_opens_a_visit_and_settles_it"),
    30: (HTTP, "test_a_client_says_how_much_it_wants_back"),
    31: (LATER, "test_an_asynchronous_claim_is_answered_when_it_is_asked_for"),
    32: (LATER, "test_an_asynchronous_claim_is_answered_when_it_is_asked_for"),
    33: (LATER, "test_giving_up_a_poll_stops_nothing_that_was_sent"),
    34: (LATER, "test_giving_up_a_poll_stops_nothing_that_was_sent"),
    35: (WHOLE, "test_submit_takes_a_claim_or_a_bundle"),
    36: (WHOLE, "test_a_settlement_is_answered_to_the_fen"),
    37: (WHOLE, "test_a_refusal_of_the_platform_is_an_answer"),
    38: (WHOLE, "test_a_lost_reply_is_queued"),
    39: (WHOLE, "test_a_use_that_does_not_settle"),
    40: (WHOLE, "test_a_use_that_does_not_settle"),
    41: (WHOLE, "test_a_settlement_is_answered_to_the_fen"),
    42: (WHOLE, "test_a_settlement_is_answered_to_the_fen"),
    43: (WHOLE, "test_eligibility_says_what_is_in_force"),
    44: (WHOLE, "test_eligibility_says_what_is_in_force"),
    45: (FILINGS, "test_what_is_filed_needs_no_authorization_any_more"),
    46: (OPERATIONS, "test_a_coverage_is_kept_of_what_the_platform_said"),
    47: (WHOLE, "test_a_visit_is_kept_in_the_form_of_its_release"),
    48: (WHOLE, "test_a_reversal_has_an_answer_of_its_own"),
    49: (WHOLE, "test_a_reversal_has_an_answer_of_its_own"),
    50: (WHOLE, "test_a_reversal_has_an_answer_of_its_own"),
    51: (WHOLE, "test_amounts_and_lines_are_checked_before_anything_is_sent"),
    52: (HOSTILE, "test_money_of_another_currency_is_422_in_every_release"),
    53: (WHOLE, "test_amounts_and_lines_are_checked_before_anything_is_sent"),
    54: (WHOLE, "test_nothing_that_could_be_sent_is_503"),
    55: (WHOLE, "test_nothing_that_could_be_sent_is_503"),
    56: (OPERATIONS, "test_validate_says_what_would_be_refused_and_sends_nothing"),
    57: (OPERATIONS, "test_validate_says_what_would_be_refused_and_sends_nothing"),
    58: (OPERATIONS, "test_translate_gives_the_national_code"),
    59: (FIELDS, "test_every_field_of_an_outpatient_claim_reaches_its_transaction"),
    60: (REST, "test_a_claim_is_created_read_and_found"),
    61: (OPERATIONS, "test_no_number_of_a_person_is_in_a_refusal_or_a_log"),
    62: (HTTP, "test_a_known_version_is_not_sent_again"),
}
"""Number of a statement -> where its test is."""

NOT_YET: dict[int, str] = {}
"""Number of a statement -> why it has no test."""


def test_every_statement_has_a_test_or_a_reason() -> None:
    """X-001 to X-062, none twice."""
    assert not COVERED.keys() & NOT_YET.keys()
    assert sorted([*COVERED, *NOT_YET]) == list(range(1, 63))
    assert all(NOT_YET.values())


@pytest.mark.parametrize("number", sorted(COVERED), ids=lambda number: f"X-{number:03}")
def test_the_test_of_a_statement_exists_and_names_it(number: int) -> None:
    """A renamed test is missed here."""
    file, name = COVERED[number]
    text = (TESTS / file).read_text("utf-8")
    found = re.search(
        rf"^(?:async )?def {name}\(.*?\) -> None:\n    \"\"\"(.+?)\"\"\"",
        text,
        re.DOTALL | re.MULTILINE,
    )

    assert found is not None, f"{file} has no {name} with a docstring"
    assert number in named(found[1])


def named(docstring: str) -> set[int]:
    """The statements that a docstring names, one by one or from one to another."""
    numbers: set[int] = set()
    for first, last in re.findall(r"X-(\d{3})(?: to X-(\d{3}))?", docstring):
        numbers |= set(range(int(first), int(last or first) + 1))
    return numbers
