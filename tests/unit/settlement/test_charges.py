"""Charge lines: amounts, numbers, batches."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from gateway.clock import CHINA
from gateway.errors import ProblemCode
from gateway.intents import Record, Source, VisitClass
from gateway.settlement.charges import (
    batches_of,
    check_lines,
    complete_amounts,
    make_uploads,
    number_lines,
)
from gateway.settlement.visits import Batch, Line, Visit

TOLERANCE = Decimal("0.01")


def charge(**values: str) -> Record:
    """A charge line whose every value says where it came from."""
    return Record(dict(values), {code: Source(f"FT1[1]-{code}") for code in values})


def new_visit(*batches: Batch) -> Visit:
    """An outpatient visit."""
    return Visit(
        fixmedins_code="H43010000001",
        ipt_otp_no="O1",
        visit_class=VisitClass.OUTPATIENT,
        batches=list(batches),
    )


def test_a_missing_quantity_with_an_amount_is_one() -> None:
    """Matrix 1.5: FT1-10 blank with FT1-11 present means 1."""
    line = charge(det_item_fee_sumamt="12.50", pric="12.50")
    assert complete_amounts(line, TOLERANCE) == []
    assert line.get("cnt") == "1"


def test_a_missing_price_is_amount_by_quantity_to_six_places() -> None:
    """10.00 / 3 = 3.333333 (rounded half up at the sixth place)."""
    line = charge(det_item_fee_sumamt="10.00", cnt="3")
    assert complete_amounts(line, TOLERANCE) == []
    assert line.get("pric") == "3.333333"


def test_a_missing_amount_is_taken_only_when_it_is_whole_fen() -> None:
    """2 x 6.25 = 12.50; 3 x 0.333 = 0.999 is no amount and is not rounded."""
    whole = charge(cnt="2", pric="6.25")
    assert complete_amounts(whole, TOLERANCE) == []
    assert whole.get("det_item_fee_sumamt") == "12.50"
    broken = charge(cnt="3", pric="0.333")
    (problem,) = complete_amounts(broken, TOLERANCE)
    assert problem.code is ProblemCode.FIELD_REQUIRED
    assert not broken.has("det_item_fee_sumamt")


def test_a_line_of_a_later_time_than_is_taken_is_wrong_at_its_time() -> None:
    """Taken is up to 10:00:00: a line of that second is, one of the next second is not."""
    latest = datetime(2026, 3, 2, 10, 0, 0, tzinfo=CHINA)
    now = charge(det_item_fee_sumamt="1.00", fee_ocur_time="2026-03-02 10:00:00")
    later = charge(det_item_fee_sumamt="1.00", fee_ocur_time="2026-03-02 10:00:01")
    (problem,) = check_lines([now, later], TOLERANCE, latest)

    assert (problem.code, problem.field) == (ProblemCode.FIELD_VALUE, "fee_ocur_time")
    assert problem.place == "FT1[1]-fee_ocur_time"


def test_a_difference_of_one_fen_passes_and_of_two_does_not() -> None:
    """3 x 3.33 = 9.99: 10.00 is within 0.01, 10.01 is not (matrix 1.5)."""
    assert (
        complete_amounts(charge(cnt="3", pric="3.33", det_item_fee_sumamt="10.00"), TOLERANCE) == []
    )
    (problem,) = complete_amounts(
        charge(cnt="3", pric="3.33", det_item_fee_sumamt="10.01"), TOLERANCE
    )
    assert problem.code is ProblemCode.AMOUNT_MISMATCH
    assert problem.place == "FT1[1]-det_item_fee_sumamt"


def test_a_senders_number_of_digits_is_kept_and_another_gets_one_of_ours() -> None:
    """F-006: digits, not 0, at most 15; the pair is kept."""
    lines = [charge(feedetl_sn="42"), charge(feedetl_sn="A-7"), charge(feedetl_sn="0")]
    visit = new_visit()
    new, problems = number_lines(lines, visit)
    assert problems == []
    assert [line.get("feedetl_sn") for line in new] == ["42", "900000000001", "900000000002"]
    assert [line.get("feedetl_key") for line in new] == ["42", "A-7", "0"]


def test_an_uploaded_line_is_not_uploaded_again() -> None:
    """Same number, same item, same amount: the line is known and left out."""
    known = Line(feedetl_sn="5", key="5", item="YP001", amount="10.00")
    visit = new_visit(Batch(chrg_bchno="B1", lines=[known]))
    line = charge(feedetl_sn="5", medins_list_codg="YP001", det_item_fee_sumamt="10.0")
    new, problems = number_lines([line], visit)
    assert (new, problems) == ([], [])
    assert line.get("chrg_bchno") == "B1"


def test_an_uploaded_number_with_another_amount_is_refused_at_its_place() -> None:
    """The number of a line means one line for ever."""
    known = Line(feedetl_sn="5", key="5", item="YP001", amount="10.00")
    visit = new_visit(Batch(chrg_bchno="B1", lines=[known]))
    line = charge(feedetl_sn="5", medins_list_codg="YP001", det_item_fee_sumamt="10.01")
    new, (problem,) = number_lines([line], visit)
    assert new == []
    assert problem.code is ProblemCode.DUPLICATE_KEY
    assert problem.place == "FT1[1]-feedetl_sn"


def test_the_same_number_twice_in_a_message_is_refused() -> None:
    """Two lines of one number would be one on the platform."""
    _, problems = number_lines([charge(feedetl_sn="5"), charge(feedetl_sn="5")], new_visit())
    assert [problem.code for problem in problems] == [ProblemCode.DUPLICATE_KEY]


def upload(
    lines: list[Record], *, size: int = 10, most: int = 3, characters: int = 1000
) -> tuple[list[list[str]], list[ProblemCode]]:
    """Group lines of equal size; give the batch numbers of each call."""
    numbers = iter("ABCDEFGH")
    uploads, problems = make_uploads(
        lines,
        new_batch=lambda: next(numbers),
        size=lambda _: size,
        max_lines=most,
        max_characters=characters,
    )
    return (
        [[line.get("chrg_bchno") for line in call] for call in uploads],
        [problem.code for problem in problems],
    )


def test_lines_without_a_batch_get_a_new_one_for_each_call() -> None:
    """Seven lines, three a call: three batches, order kept."""
    calls, problems = upload([charge() for _ in range(7)])
    assert calls == [["A", "A", "A"], ["B", "B", "B"], ["C"]]
    assert problems == []


def test_stated_batches_go_up_whole() -> None:
    """F-007: two batches of two do not fit one call of three lines, so each has its own."""
    lines = [
        charge(chrg_bchno="X"),
        charge(chrg_bchno="Y"),
        charge(chrg_bchno="X"),
        charge(chrg_bchno="Y"),
    ]
    calls, problems = upload(lines)
    assert calls == [["X", "X"], ["Y", "Y"]]
    assert problems == []


def test_several_stated_batches_share_a_call_when_they_fit() -> None:
    """Rules section 9: one call may hold several batches."""
    calls, _ = upload([charge(chrg_bchno="X"), charge(chrg_bchno="Y"), charge(chrg_bchno="Z")])
    assert calls == [["X", "Y", "Z"]]


def test_a_stated_batch_over_a_limit_is_refused() -> None:
    """Four lines of one batch where three fit; five lines of 10 characters where 100 fit."""
    assert upload([charge(chrg_bchno="X") for _ in range(4)])[1] == [ProblemCode.INPUT_LIMIT]
    too_long = upload([charge(chrg_bchno="X") for _ in range(5)], most=9, characters=100)
    assert too_long == ([], [ProblemCode.INPUT_LIMIT])


def test_a_profile_may_allow_to_divide_a_stated_batch() -> None:
    """Seven lines of batch X where three fit: X-1, X-2, X-3, each line once and in order."""
    lines = [charge(chrg_bchno="X", feedetl_sn=str(n)) for n in range(7)]
    uploads, problems = make_uploads(
        lines,
        new_batch=lambda: pytest.fail("the batch is stated"),
        size=lambda _: 10,
        max_lines=3,
        max_characters=1000,
        rebatch=True,
    )
    assert problems == []
    numbers = [[line.get("chrg_bchno") for line in call] for call in uploads]
    assert numbers == [["X-1"] * 3, ["X-2"] * 3, ["X-3"]]
    assert [line.get("feedetl_sn") for call in uploads for line in call] == list("0123456")


def test_lines_are_split_by_characters_too() -> None:
    """100 characters less 64 for the frame leave room for three lines of 10 and their commas."""
    calls, _ = upload([charge() for _ in range(4)], most=9, characters=100)
    assert calls == [["A", "A", "A"], ["B"]]


def test_the_batches_of_an_upload_remember_the_lines() -> None:
    """What the visit keeps: number, the sender's number, item, amount."""
    lines = [
        charge(
            chrg_bchno="X",
            feedetl_sn="1",
            feedetl_key="k",
            medins_list_codg="I",
            det_item_fee_sumamt="1.20",
        ),
    ]
    (batch,) = batches_of(lines)
    assert batch == Batch(
        chrg_bchno="X", lines=[Line(feedetl_sn="1", key="k", item="I", amount="1.20")]
    )
