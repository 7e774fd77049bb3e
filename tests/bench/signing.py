"""Sign, verify, seal and open, beside the pure parts they are made of.

The data are those of a 20-line charge upload. SM2 is the floor: what the parts in Python add to it
is the share that could be saved at all.
"""

from __future__ import annotations

import base64
import gc
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from gateway.clock import CHINA
from gateway.crypto.sm import (
    SigningKey,
    der_from_raw,
    provider,
    raw_from_der,
    sm3,
    sm4_ecb_decrypt,
    sm4_ecb_encrypt,
)
from gateway.fsi.envelope import signature_text, signed_bytes, verifies
from gateway.fsi.schemes import csb_signature, x_tif_signature
from gateway.fsi.sealed import Account, SealedOptions, Sealer
from gateway.fsi.sealed_text import canonical_data, check_exact, data_key, read_hex, sign_text
from gateway.fsi.wire import decode_json, encode_json

LINE = {
    "feedetl_sn": "202603010905070001",
    "mdtrt_id": "430100G0000012345678",
    "psn_no": "43010000000000000001",
    "chrg_bchno": "B0001",
    "fee_ocur_time": "2026-03-01 09:05:07",
    "med_list_codg": "XJ01CAA040A001010405611",
    "medins_list_codg": "YP001",
    "medins_list_name": "阿莫西林片",
    "det_item_fee_sumamt": Decimal("25.20"),
    "cnt": Decimal(2),
    "pric": Decimal("12.60"),
    "bilg_dept_codg": "A03",
    "bilg_dept_name": "内科",
    "rxno": "",
    "rx_circ_flag": "0",
    "memo": "",
}
DATA = {"feedetail": [LINE] * 20}
ACCOUNT = Account("MADE-UP-ACCOUNT-0001", "made-up-secret")
NOW = datetime(2026, 3, 1, 9, 5, 7, tzinfo=CHINA)

Row = tuple[str, Callable[[], object]]


def timed(work: Callable[[], object], *, rounds: int = 7, seconds: float = 0.03) -> float:
    """Microseconds of one call: the median of several rounds of about so many seconds each."""
    began = time.perf_counter()
    work()
    count = max(1, int(seconds / (time.perf_counter() - began)))
    taken = []
    for _ in range(rounds):
        gc.collect()
        began = time.perf_counter()
        for _ in range(count):
            work()
        taken.append((time.perf_counter() - began) / count)
    return statistics.median(taken) * 1e6


def show(rows: list[Row], *, of: float) -> None:
    """Print each figure, and its share of the whole."""
    for label, work in rows:
        microseconds = timed(work)
        share = f"{microseconds / of:>6.1%}" if of else ""
        sys.stdout.write(f"{label:<48} {microseconds:>9.1f} µs {share}\n")


def main() -> None:
    """Print the figures."""
    key = SigningKey.generate()
    public = key.public_key()
    sealer = Sealer(ACCOUNT, SealedOptions(), signing_key=key, verify_key=public)
    sealed = sealer.seal(DATA, now=NOW)
    plain = encode_json(DATA)
    cipher_key = data_key(ACCOUNT.app_id, ACCOUNT.app_secret)
    encrypted = sm4_ecb_encrypt(cipher_key, plain)
    enc_data = encrypted.hex().upper()
    text = sign_text({"appId": ACCOUNT.app_id, "data": DATA}, ACCOUNT.app_secret, "json").encode()
    signature = key.sign(text)
    cainfo = signature_text(key.sign(signed_bytes(DATA)))

    sys.stdout.write(
        f"{len(plain)} bytes of data, {len(sealed)} sealed; SM2 by {provider().name}\n"
    )
    sign, verify = timed(lambda: key.sign(text)), timed(lambda: public.verify(signature, text))
    seal, opened = timed(lambda: sealer.seal(DATA, now=NOW)), timed(lambda: sealer.open(sealed))
    for label, microseconds in (
        ("SM2 with SM3: sign", sign),
        ("SM2 with SM3: verify", verify),
        ("sealed envelope: seal", seal),
        ("sealed envelope: open", opened),
    ):
        sys.stdout.write(f"{label:<48} {microseconds:>9.1f} µs\n")
    sys.stdout.write(f"seal / sign {seal / sign:.2f}   open / verify {opened / verify:.2f}\n")
    sys.stdout.write("\nthe parts, as a share of seal\n")
    show(
        [
            ("refuse what is not exact", lambda: check_exact(DATA)),
            ("data to JSON", lambda: encode_json(DATA)),
            ("JSON to data", lambda: decode_json(plain)),
            ("canonical text, scalars as JSON", lambda: canonical_data(DATA, "json")),
            ("canonical text, scalars as strings", lambda: canonical_data(DATA, "text")),
            ("SM3 of the text", lambda: sm3(text)),
            ("SM4 encrypt", lambda: sm4_ecb_encrypt(cipher_key, plain)),
            ("SM4 decrypt", lambda: sm4_ecb_decrypt(cipher_key, encrypted)),
            ("hexadecimal: write", lambda: encrypted.hex().upper()),
            ("hexadecimal: read", lambda: read_hex(enc_data)),
            ("signature to DER and back", lambda: raw_from_der(der_from_raw(signature))),
            ("signature to base64", lambda: base64.b64encode(signature)),
        ],
        of=seal,
    )
    sys.stdout.write("\nthe other schemes\n")
    show(
        [
            ("cainfo: canonical text and sign", lambda: key.sign(signed_bytes(DATA))),
            ("cainfo: canonical text and verify", lambda: verifies(cainfo, DATA, public)),
            ("x-tif signature", lambda: x_tif_signature("1700000000", "secret", "nonce")),
            ("CSB signature", lambda: csb_signature("AK", "2204", "1700000000000", "1.0.0", "SK")),
        ],
        of=0,
    )


if __name__ == "__main__":
    main()
