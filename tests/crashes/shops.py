"""A pharmacy: purchases over FHIR (2101, 2102), and purchases that are taken back (2103)."""

from __future__ import annotations

from gateway.demo import messages as m
from tests.crashes.hospital import PURCHASE, FHIRDesk, Hospital

SHOP_TOKEN = "t-shop"
SHOP = """
[[institutions]]
fixmedins_code = "{pharmacy}"
fixmedins_name = "长沙示范大药房"
mdtrtarea_admvs = "{region}"
home_pools = ["430100", "439900"]
channel = "changsha"

[[peers]]
name = "shop"
institutions = ["{pharmacy}"]
token_sha256 = ["{token_sha256}"]
defaults = {{ acct_used_flag = "1" }}
"""


class ShopDesk(FHIRDesk):
    """Sells packets of amoxicillin."""

    paying = PURCHASE
    items = (m.Item("YP001", "阿莫西林片", "10", "12.60", "126.00"),)
    total = "126.00"

    def __init__(self, hospital: Hospital, number: int) -> None:
        super().__init__(hospital, number)
        self.client, self.token = hospital.shop, SHOP_TOKEN
