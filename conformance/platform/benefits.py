"""Benefits arithmetic: how a charge line splits, and who pays a settlement.

Nothing here does I/O or knows a message. Amounts are `Decimal` yuan with two places, quantities
have four places and unit prices six (reference: rules of the interface, section 7); ratios run
from 0 to 1.

A line splits into four parts that add up to its amount:

1. class C (`chrgitm_lv` 03), an unlisted item, and a restricted item without approval are paid
   by the person in full (`fulamt_ownpay_amt`);
2. of the rest, what the unit price exceeds the ceiling by is paid by the person
   (`overlmt_amt` = (price - ceiling) x quantity, rounded half up to the fen);
3. of what remains, class B has a share that the person pays first
   (`preselfpay_amt` = remainder x `selfpay_prop`, rounded half up to the fen);
4. what is left is within the scope of the insurance (`inscp_scp_amt`), by subtraction.

A settlement adds the parts up and takes from the amount in scope: the deductible as far as the
year has not used it up; of the rest the share of the basic fund (rounded half up to the fen), as
far as the yearly cap of that fund leaves room; of the part of the rest that the cap cuts off, the
share of the supplementary fund (rounded half up). The person pays what no fund pays, from the
account first where that is wanted and allowed.

The identities that hold to the fen (reference: mapping matrix, part 3)::

    medfee_sumamt   = fulamt_ownpay_amt + overlmt_selfpay + preselfpay_amt + inscp_scp_amt
    medfee_sumamt   = fund_pay_sumamt + psn_part_amt + hosp_part_amt
    fund_pay_sumamt = hifp_pay + cvlserv_pay + hifes_pay + hifmi_pay + hifob_pay + hifdm_pay
                      + maf_pay + oth_pay
    psn_part_amt    = acct_pay + psn_cash_pay
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

import msgspec

FEN = Decimal("0.01")
ZERO = Decimal("0.00")

CLASS_C = "03"

APPROVED = "1"
REFUSED = "2"


def to_fen(amount: Decimal) -> Decimal:
    """Round half up to two places; half a fen goes away from zero, so a return mirrors a line."""
    return amount.quantize(FEN, rounding=ROUND_HALF_UP)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalogue of the treatment place says about an item on a hospital's level.

    `ceiling` is the highest unit price in scope, in yuan; zero means none. `selfpay_prop` is the
    share paid first by the person. `restricted` items need an approval (`hosp_appr_flag` 1).
    """

    chrgitm_lv: str
    med_chrgitm_type: str
    selfpay_prop: Decimal = Decimal(0)
    ceiling: Decimal = Decimal(0)
    restricted: bool = False
    memo: str = ""


class Parts(msgspec.Struct, frozen=True):
    """The four parts of an amount, in yuan."""

    own: Decimal = ZERO
    over: Decimal = ZERO
    first: Decimal = ZERO
    scope: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """The amount that was split."""
        return self.own + self.over + self.first + self.scope

    def __add__(self, other: Parts) -> Parts:
        return Parts(
            self.own + other.own,
            self.over + other.over,
            self.first + other.first,
            self.scope + other.scope,
        )


def split_line(
    amount: Decimal, quantity: Decimal, price: Decimal, item: Item, approval: str = ""
) -> Parts:
    """Split one charge line; the parts add up to `amount`.

    `amount` is in yuan with two places and, like `quantity`, negative on a return line.
    `approval` is `hosp_appr_flag`: 1 approved, 2 refused, 0 or empty no approval needed.
    """
    if item.chrgitm_lv == CLASS_C or approval == REFUSED:
        return Parts(own=amount)
    if item.restricted and approval != APPROVED:
        return Parts(own=amount)
    over = ZERO
    if item.ceiling > 0 and price > item.ceiling:
        over = to_fen((price - item.ceiling) * quantity)
        over = min(over, amount) if amount >= 0 else max(over, amount)
    first = to_fen((amount - over) * item.selfpay_prop)
    return Parts(over=over, first=first, scope=amount - over - first)


def add_parts(parts: Iterable[Parts]) -> Parts:
    """The sum of the parts of several lines."""
    total = Parts()
    for each in parts:
        total = total + each
    return total


class Supplement(msgspec.Struct, frozen=True, kw_only=True):
    """The fund that pays above the yearly cap of the basic fund.

    `field` is the amount of the settlement it goes to (`hifob_pay` large amounts of employees,
    `hifmi_pay` serious illness of residents), `fund` its code in `fund_pay_type`.
    """

    field: str
    fund: str
    name: str
    ratio: Decimal


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the insured place's policy says for one settlement.

    `deductible` is the yearly amount for the setting and the hospital's level, `ratio` the share of
    the basic fund for the setting, the level and the person's age, `cap` the most the basic fund
    pays in a year. `account_parts` names the parts of the personal payment that the account may
    pay: `scope`, `first`, `over`, `own`; empty when the scheme has no account.
    """

    fund: str
    fund_name: str
    deductible: Decimal
    ratio: Decimal
    cap: Decimal
    supplement: Supplement | None = None
    account_parts: frozenset[str] = frozenset()


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What the person's earlier settlements of the year used up."""

    deductible: Decimal = ZERO
    basic: Decimal = ZERO


class FundShare(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `setldetail`; `limit_left` is the room under the cap before this settlement."""

    fund: str
    name: str
    in_scope: Decimal
    limit_left: Decimal
    amount: Decimal


class Benefit(msgspec.Struct, frozen=True, kw_only=True):
    """A computed settlement; amounts by their national field codes, and the share of each fund."""

    amounts: dict[str, Decimal]
    shares: tuple[FundShare, ...]

    def __getitem__(self, code: str) -> Decimal:
        return self.amounts[code]


FUND_FIELDS = (
    "hifp_pay",
    "cvlserv_pay",
    "hifes_pay",
    "hifmi_pay",
    "hifob_pay",
    "hifdm_pay",
    "maf_pay",
    "oth_pay",
)
"""The amounts whose sum is `fund_pay_sumamt`."""


def settle(
    parts: Parts, terms: Terms, used: Used, *, balance: Decimal, use_account: bool
) -> Benefit:
    """Compute who pays the lines whose parts are given.

    `balance` is the account's balance in yuan, `use_account` whether the person wants it used
    (`acct_used_flag` 1).

    Raises:
        ValueError: the lines add up to less than nothing.
    """
    if parts.total < 0:
        raise ValueError("the charges of a settlement cannot be negative")
    in_scope = max(parts.scope, ZERO)
    deductible = min(in_scope, max(terms.deductible - used.deductible, ZERO))
    base = in_scope - deductible
    room = max(terms.cap - used.basic, ZERO)
    full_share = to_fen(base * terms.ratio)
    basic = min(full_share, room)
    funds = dict.fromkeys(FUND_FIELDS, ZERO)
    funds["hifp_pay"] = basic
    shares = [
        FundShare(
            fund=terms.fund, name=terms.fund_name, in_scope=in_scope, limit_left=room, amount=basic
        )
    ]
    if terms.supplement is not None and full_share > room:
        beyond = max(base - to_fen(room / terms.ratio), ZERO)
        extra = to_fen(beyond * terms.supplement.ratio)
        funds[terms.supplement.field] += extra
        shares.append(
            FundShare(
                fund=terms.supplement.fund,
                name=terms.supplement.name,
                in_scope=beyond,
                limit_left=ZERO,
                amount=extra,
            )
        )
    fund_total = sum(funds.values(), ZERO)
    personal = parts.total - fund_total
    account = ZERO
    if use_account:
        account = min(max(balance, ZERO), _account_share(parts, personal, terms))
    amounts = {
        "medfee_sumamt": parts.total,
        "fulamt_ownpay_amt": parts.own,
        "overlmt_selfpay": parts.over,
        "preselfpay_amt": parts.first,
        "inscp_scp_amt": parts.scope,
        "act_pay_dedc": deductible,
        "pool_prop_selfpay": terms.ratio,
        **funds,
        "fund_pay_sumamt": fund_total,
        "hosp_part_amt": ZERO,
        "psn_part_amt": personal,
        "acct_pay": account,
        "acct_mulaid_pay": ZERO,
        "psn_cash_pay": personal - account,
        "balc": balance - account,
    }
    return Benefit(amounts=amounts, shares=tuple(shares))


def _account_share(parts: Parts, personal: Decimal, terms: Terms) -> Decimal:
    """The most that the account may pay: the personal payment without the parts it may not pay."""
    if not terms.account_parts:
        return ZERO
    barred = sum(
        (
            getattr(parts, name)
            for name in ("own", "over", "first")
            if name not in terms.account_parts
        ),
        ZERO,
    )
    return max(personal - barred, ZERO)


_NOT_MONEY = frozenset({"pool_prop_selfpay", "balc"})


def negate(amounts: dict[str, Decimal]) -> dict[str, Decimal]:
    """The amounts of the cancellation of a settlement; ratios and balances keep their sign."""
    return {
        code: value if code in _NOT_MONEY or value == 0 else -value
        for code, value in amounts.items()
    }
