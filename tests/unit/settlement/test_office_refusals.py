"""What an operator is told of a step of a month or a list that cannot be taken."""

from __future__ import annotations

import pytest

from gateway.intents import NotSent
from gateway.settlement.clearing.refusals import ClearingError, Refusal
from gateway.settlement.failing import why_told
from gateway.settlement.listing import refusals as lists


@pytest.mark.parametrize("refusal", list(Refusal))
def test_each_says_in_both_languages_where_it_is(refusal: Refusal) -> None:
    """The month or the transaction is named, and no place is left open."""
    error = refusal.of("2026-03", "M{1}")
    assert isinstance(error, ClearingError)
    for text in (error.zh, str(error)):
        assert "2026-03" in text or "M{1}" in text
        assert "{month}" not in text
        assert "{msgid}" not in text


@pytest.mark.parametrize("refusal", list(lists.Refusal))
def test_each_of_a_list_names_it_in_both_languages(refusal: lists.Refusal) -> None:
    """The settlement, or the message that uploaded its list; no place is left open."""
    error = refusal.of("S{1}", "M2")
    assert isinstance(error, lists.ListError)
    for text in (error.zh, str(error)):
        assert "S{1}" in text or "M2" in text
        assert "{setl_id}" not in text
        assert "{more}" not in text


def test_a_transaction_that_was_not_sent_says_what_to_do() -> None:
    """The number of the transaction, the reason, and that it may be tried again."""
    zh, en = why_told("3260", NotSent("no connection"))
    assert zh == "3260未得到医保平台应答：no connection；请稍后重试"
    assert en == "3260 got no answer: no connection; try again later"
