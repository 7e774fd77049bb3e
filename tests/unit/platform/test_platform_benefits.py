"""Benefits worked out by hand; the rounding points are those of the module's docstring."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.platform.benefits import (
    FUND_FIELDS,
    Item,
    Parts,
    Supplement,
    Terms,
    Used,
    negate,
    settle,
    split_line,
)

D = Decimal

CLASS_A = Item(chrgitm_lv="01", med_chrgitm_type="09")
CLASS_B = Item(chrgitm_lv="02", med_chrgitm_type="09", selfpay_prop=D("0.1"))
CLASS_C = Item(chrgitm_lv="03", med_chrgitm_type="13", selfpay_prop=D(1))

LARGE_AMOUNTS = Supplement(field="hifob_pay", fund="330100", name="", ratio=D("0.9"))


def terms(
    ratio: str = "0.80",
    deductible: str = "0",
    cap: str = "100000",
    supplement: Supplement | None = None,
    account: tuple[str, ...] = ("scope", "first", "over", "own"),
) -> Terms:
    """Terms of a policy without deductible, unless said otherwise."""
    return Terms(
        fund="310100",
        fund_name="",
        deductible=D(deductible),
        ratio=D(ratio),
        cap=D(cap),
        supplement=supplement,
        account_parts=frozenset(account),
    )


def split(amount: str, quantity: str, price: str, item: Item, approval: str = "") -> Parts:
    """A line split, its numbers given as text."""
    return split_line(D(amount), D(quantity), D(price), item, approval)


def parts(own: str = "0", over: str = "0", first: str = "0", scope: str = "0") -> Parts:
    """Parts given as text."""
    return Parts(D(own), D(over), D(first), D(scope))


class TestLine:
    def test_class_a_is_in_scope_in_full(self) -> None:
        """An item of class A under its ceiling is paid by nobody first."""
        assert split("32.52", "2", "16.26", CLASS_A) == parts(scope="32.52")

    def test_class_b_is_paid_first_by_its_share(self) -> None:
        """The example quoted by Weifang: of 31.77 the person pays 3.177, that is 3.18, first."""
        assert split("31.77", "1", "31.77", CLASS_B) == parts(first="3.18", scope="28.59")

    def test_half_a_fen_is_rounded_up(self) -> None:
        """A tenth of 0.05 is 0.005 and becomes 0.01."""
        assert split("0.05", "1", "0.05", CLASS_B) == parts(first="0.01", scope="0.04")

    def test_class_c_is_paid_in_full(self) -> None:
        """Nothing of class C is in scope."""
        assert split("5.00", "1", "5", CLASS_C) == parts(own="5.00")

    def test_the_price_above_the_ceiling_goes_before_the_share(self) -> None:
        """260 under a ceiling of 240: 20 over, a tenth of 240 first, 216 in scope."""
        item = Item(chrgitm_lv="02", med_chrgitm_type="03", selfpay_prop=D("0.1"), ceiling=D(240))
        assert split("260.00", "1", "260", item) == parts(over="20", first="24", scope="216")

    def test_the_ceiling_is_of_the_unit_price_with_six_places(self) -> None:
        """3 x 13.333333 = 40.00; over (13.333333 - 12.5) x 3 = 2.499999 = 2.50; 3.75 first."""
        item = Item(
            chrgitm_lv="02", med_chrgitm_type="09", selfpay_prop=D("0.1"), ceiling=D("12.5")
        )
        assert split("40.00", "3", "13.333333", item) == parts(
            over="2.50", first="3.75", scope="33.75"
        )

    def test_a_return_mirrors_its_line(self) -> None:
        """The parts of a return are those of the line with the sign turned, halves included."""
        assert split("-0.05", "-1", "0.05", CLASS_B) == parts(first="-0.01", scope="-0.04")

    def test_what_is_over_the_ceiling_is_never_more_than_the_amount(self) -> None:
        """An amount stated a fen low: (10 - 0.001) x 1 = 10.00 is cut to the 9.99 there is."""
        item = Item(chrgitm_lv="01", med_chrgitm_type="09", ceiling=D("0.001"))
        assert split("9.99", "1", "10", item) == parts(over="9.99")

    @pytest.mark.parametrize(
        ("restricted", "approval", "covered"),
        [
            (True, "1", True),
            (True, "0", False),
            (True, "2", False),
            (True, "", False),
            (False, "0", True),
            (False, "1", True),
            (False, "2", False),
        ],
    )
    def test_approval_decides_on_restricted_items(
        self, *, restricted: bool, approval: str, covered: bool
    ) -> None:
        """The table of `hosp_appr_flag` and `lmt_used_flag` (reference: rules, section 9)."""
        item = Item(chrgitm_lv="01", med_chrgitm_type="05", restricted=restricted)
        expected = parts(scope="10.00") if covered else parts(own="10.00")
        assert split("10.00", "1", "10", item, approval) == expected


class TestSettlement:
    def test_the_example_quoted_by_weifang(self) -> None:
        """64.29 with 61.11 in scope at 80 %: 48.89 from the fund (cross-province, section 7)."""
        total = split("32.52", "1", "32.52", CLASS_A) + split("31.77", "1", "31.77", CLASS_B)
        made = settle(total, terms(), Used(), balance=D(0), use_account=False)
        assert made["medfee_sumamt"] == D("64.29")
        assert made["inscp_scp_amt"] == D("61.11")
        assert made["preselfpay_amt"] == D("3.18")
        assert made["fund_pay_sumamt"] == D("48.89")
        assert made["psn_part_amt"] == D("15.40")

    def test_only_what_is_left_of_the_deductible_is_taken(self) -> None:
        """50 a year, 30 used: 20 of 100 are the person's, and 70 % of 80 the fund's."""
        made = settle(
            parts(scope="100.00"),
            terms("0.70", "50"),
            Used(deductible=D(30)),
            balance=D(0),
            use_account=False,
        )
        assert (made["act_pay_dedc"], made["hifp_pay"]) == (D(20), D(56))
        assert made["psn_cash_pay"] == D(44)

    def test_a_settlement_below_the_deductible_is_all_the_persons(self) -> None:
        """40 in scope under a deductible of 50: no fund pays, 40 count towards the year."""
        made = settle(
            parts(scope="40.00"), terms("0.70", "50"), Used(), balance=D(0), use_account=False
        )
        assert (made["act_pay_dedc"], made["fund_pay_sumamt"]) == (D(40), D(0))

    def test_above_the_cap_the_supplementary_fund_pays(self) -> None:
        """Room 100 at 80 % covers 125 of 500; of the other 375 the supplement pays 337.50."""
        made = settle(
            parts(scope="500.00"),
            terms("0.80", cap="1000", supplement=LARGE_AMOUNTS),
            Used(basic=D(900)),
            balance=D(0),
            use_account=False,
        )
        assert (made["hifp_pay"], made["hifob_pay"]) == (D(100), D("337.50"))
        assert made["psn_part_amt"] == D("62.50")
        assert [(s.limit_left, s.amount) for s in made.shares] == [
            (D(100), D(100)),
            (D(0), D("337.50")),
        ]

    def test_without_a_supplement_the_cap_is_the_end(self) -> None:
        """The same stay without that fund: 400 remain the person's."""
        made = settle(
            parts(scope="500.00"),
            terms("0.80", cap="1000"),
            Used(basic=D(900)),
            balance=D(0),
            use_account=False,
        )
        assert (made["fund_pay_sumamt"], made["psn_part_amt"]) == (D(100), D(400))

    def test_the_account_pays_up_to_its_balance(self) -> None:
        """60 are the person's, 40 stand in the account: 20 in cash, nothing left."""
        made = settle(
            parts(own="20.00", scope="80.00"),
            terms("0.50"),
            Used(),
            balance=D(40),
            use_account=True,
        )
        assert (made["acct_pay"], made["psn_cash_pay"], made["balc"]) == (D(40), D(20), D(0))

    def test_the_account_leaves_what_the_policy_bars(self) -> None:
        """An account that may not pay what is out of scope pays 40 of 60."""
        made = settle(
            parts(own="20.00", scope="80.00"),
            terms("0.50", account=("scope", "first")),
            Used(),
            balance=D(500),
            use_account=True,
        )
        assert (made["acct_pay"], made["psn_cash_pay"], made["balc"]) == (D(40), D(20), D(460))

    def test_the_account_is_left_alone_unless_wanted(self) -> None:
        """`acct_used_flag` 0: all cash."""
        made = settle(
            parts(scope="80.00"), terms("0.50"), Used(), balance=D(500), use_account=False
        )
        assert (made["acct_pay"], made["balc"]) == (D(0), D(500))

    def test_charges_below_nothing_are_no_settlement(self) -> None:
        """More returned than charged cannot be settled."""
        with pytest.raises(ValueError, match="negative"):
            settle(parts(scope="-1.00"), terms(), Used(), balance=D(0), use_account=False)

    def test_a_cancellation_turns_every_amount_but_ratio_and_balance(self) -> None:
        """The fund takes back what it paid; the ratio stays a ratio."""
        made = settle(parts(scope="100.00"), terms(), Used(), balance=D(9), use_account=False)
        turned = negate(made.amounts)
        assert (turned["fund_pay_sumamt"], turned["medfee_sumamt"]) == (D(-80), D(-100))
        assert (turned["pool_prop_selfpay"], turned["balc"]) == (D("0.80"), D(9))


fen = st.integers(0, 10_000_000).map(lambda n: D(n) / 100)
ratio = st.integers(1, 100).map(lambda n: D(n) / 100)


@given(
    own=fen,
    over=fen,
    first=fen,
    scope=fen,
    share=ratio,
    deductible=fen,
    cap=fen,
    balance=fen,
    use_account=st.booleans(),
)
def test_the_identities_hold_to_the_fen(
    *,
    own: Decimal,
    over: Decimal,
    first: Decimal,
    scope: Decimal,
    share: Decimal,
    deductible: Decimal,
    cap: Decimal,
    balance: Decimal,
    use_account: bool,
) -> None:
    """Whatever the charges and the policy, the sums of matrix part 3 agree and nothing is negative."""
    made = settle(
        Parts(own, over, first, scope),
        terms(str(share), str(deductible), str(cap), LARGE_AMOUNTS),
        Used(),
        balance=balance,
        use_account=use_account,
    )
    assert made["medfee_sumamt"] == own + over + first + scope
    assert made["medfee_sumamt"] == (
        made["fund_pay_sumamt"] + made["psn_part_amt"] + made["hosp_part_amt"]
    )
    assert made["fund_pay_sumamt"] == sum(made[code] for code in FUND_FIELDS)
    assert made["fund_pay_sumamt"] == sum(each.amount for each in made.shares)
    assert made["psn_part_amt"] == made["acct_pay"] + made["psn_cash_pay"]
    assert all(value >= 0 for value in made.amounts.values())
    assert made["hifp_pay"] <= cap


@given(fen, st.integers(1, 10_000), st.sampled_from([CLASS_A, CLASS_B, CLASS_C]), ratio)
def test_the_parts_of_a_line_add_up(
    price: Decimal, count: int, item: Item, ceiling: Decimal
) -> None:
    """The four parts are the amount, for charges and for returns."""
    amount = price * count
    limited = Item(
        chrgitm_lv=item.chrgitm_lv,
        med_chrgitm_type="09",
        selfpay_prop=item.selfpay_prop,
        ceiling=ceiling,
    )
    charged = split_line(amount, D(count), price, limited)
    returned = split_line(-amount, D(-count), price, limited)
    assert charged.total == amount
    assert charged + returned == Parts()
