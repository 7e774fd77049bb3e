"""Conformance statements of FHIR REST (X-001 to X-062): each has a test, or a reason why not yet.

The numbers are those of the conformance statements, section "FHIR REST". A test stands here as file
and name.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]

HTTP = "integration/fhir/test_fhir_http.py"
REST = "integration/fhir/test_fhir_rest.py"
LATER = "integration/fhir/test_fhir_later.py"
BUNDLES = "integration/fhir/test_fhir_bundles.py"
OPERATIONS = "integration/fhir/test_fhir_operations.py"
RELEASES = "unit/fhir/test_releases.py"
READER = "unit/fhir/test_fhir_reader.py"
ANSWERS = "unit/fhir/test_claim_answers.py"
OUTCOMES = "unit/fhir/test_claim_outcomes.py"
UNDERSTANDING = "unit/fhir/test_claim_understanding.py"
CANCELLING = "unit/fhir/test_cancelling.py"
ELIGIBILITY = "unit/fhir/test_eligibility.py"

COVERED: dict[int, tuple[str, str]] = {
    1: (REST, "test_a_claim_is_created_read_and_found"),
    2: (HTTP, "test_id_and_meta_of_a_create_are_ignored"),
    3: (READER, "test_what_is_not_a_json_object_is_unreadable"),
    4: (OPERATIONS, "test_a_resource_that_breaks_a_rule_of_business_is_422"),
    5: (HTTP, "test_what_is_not_there_is_said_in_fhir"),
    6: (HTTP, "test_what_is_not_there_is_said_in_fhir"),
    7: (HTTP, "test_an_unknown_id_is_not_created_by_an_update"),
    8: (HTTP, "test_an_unknown_id_is_not_created_by_an_update"),
    9: (REST, "test_an_encounter_is_created_and_updated"),
    10: (REST, "test_a_conditional_create_asks_nothing_twice"),
    11: (LATER, "test_a_conditional_create_that_finds_one_names_it"),
    12: (REST, "test_a_conditional_create_asks_nothing_twice"),
    13: (LATER, "test_a_conditional_create_that_finds_one_names_it"),
    14: (LATER, "test_equal_conditional_creates_at_once_settle_once"),
    15: (HTTP, "test_content_is_negotiated"),
    16: (HTTP, "test_content_is_negotiated"),
    17: (HTTP, "test_the_format_parameter_overrides_accept"),
    18: (HTTP, "test_content_is_negotiated"),
    19: (HTTP, "test_content_is_negotiated"),
    20: (
        "integration/fhir/test_fhir_releases.py",
        "test_the_mime_version_may_not_contradict_the_base",
    ),
    21: (HTTP, "test_the_capability_statement_says_what_works"),
    22: (HTTP, "test_the_capability_statement_says_what_works"),
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
    35: (REST, "test_submit_takes_a_bundle"),
    36: (ANSWERS, "test_an_answer_has_what_the_definition_and_the_claim_ask_for"),
    37: (OUTCOMES, "test_a_refusal_of_the_platform_is_an_answer"),
    38: (OUTCOMES, "test_an_unknown_outcome_is_queued_without_money"),
    39: (UNDERSTANDING, "test_a_predetermination_is_never_a_settlement"),
    40: (UNDERSTANDING, "test_a_preauthorization_that_files_nothing_is_not_served"),
    41: (ANSWERS, "test_a_settlement_is_answered_with_its_exact_amounts"),
    42: (RELEASES, "test_the_answer_to_a_claim_fits_every_release"),
    43: (RELEASES, "test_the_answer_to_an_eligibility_request_fits_every_release"),
    44: (ELIGIBILITY, "test_a_row_of_the_platform_is_a_coverage_in_force"),
    45: (ELIGIBILITY, "test_what_has_to_be_authorised_is_what_is_not_enjoyed_as_it_is"),
    46: (OPERATIONS, "test_a_coverage_is_kept_of_what_the_platform_said"),
    47: (RELEASES, "test_a_visit_of_r5_is_read_back_as_it_was_written_and_in_r4"),
    48: (CANCELLING, "test_a_second_cancellation_sends_nothing_and_gives_the_first_reversal"),
    49: (CANCELLING, "test_a_cancellation_that_the_platform_refuses_is_failed"),
    50: (CANCELLING, "test_a_claim_cannot_be_changed"),
    51: (
        UNDERSTANDING,
        "test_a_net_that_is_not_price_times_quantity_is_refused_at_the_item",
    ),
    52: (UNDERSTANDING, "test_another_currency_is_refused_at_every_place"),
    53: (OPERATIONS, "test_a_resource_that_breaks_a_rule_of_business_is_422"),
    54: (OUTCOMES, "test_nothing_was_sent_means_try_again"),
    55: (OUTCOMES, "test_nothing_was_sent_means_try_again"),
    56: (OPERATIONS, "test_validate_says_what_would_be_refused_and_sends_nothing"),
    57: (OPERATIONS, "test_validate_says_what_would_be_refused_and_sends_nothing"),
    58: (OPERATIONS, "test_translate_gives_the_national_code"),
    59: (RELEASES, "test_the_same_claim_in_three_releases_tells_the_platform_the_same"),
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
