"""A platform to play with: two centres of different provinces, with keys of their own.

`write_demo` makes the folder::

    platform.json                  the configuration of the platform
    platform.db                    what the centres hold (made when the platform starts)
    keys/gateway.pem               the institution's SM2 private key (made when absent)
    keys/gateway.pub.pem
    keys/platform-430100.pem       the centre's SM2 private key
    keys/platform-430100.pub.pem
    keys/430100.secret             the secret of the centre's service gateway
    keys/admin.token
    ... the same for 440300

Private keys and secrets are readable by the owner only. What exists is kept.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from conformance.platform.config import (
    HUNAN_CLEARING,
    ChannelConfig,
    InstitutionConfig,
    PlatformConfig,
    RegionConfig,
)
from conformance.platform.wire import CSB, X_TIF
from gateway.crypto.sm import SigningKey

OWNER_ONLY = 0o600

HOSPITAL = "H43010000001"
HOSPITAL_NAME = "长沙示范医院"
PHARMACY = "P43010000001"
PHARMACY_NAME = "长沙示范大药房"
SECOND_HOSPITAL = "H44030000001"
SECOND_HOSPITAL_NAME = "深圳示范医院"

CHANGSHA = "430100"
SHENZHEN = "440300"

ACCOUNTS = {CHANGSHA: "changsha-demo", SHENZHEN: "shenzhen-demo"}
"""Account (access key, x-tif-paasid) of the hospital at each centre."""


def write_demo(folder: Path, *, port: int = 0) -> Path:
    """Make what is missing in the folder; the path of `platform.json`."""
    keys = folder / "keys"
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    _key_pair(keys, "gateway")
    for code in (CHANGSHA, SHENZHEN):
        _key_pair(keys, f"platform-{code}")
        _secret(keys / f"{code}.secret")
    path = folder / "platform.json"
    if not path.exists():
        config = _config(_secret(keys / "admin.token"), port)
        text = msgspec.json.format(msgspec.json.encode(config), indent=2)
        _write(path, text)
    return path


def _config(token: str, port: int) -> PlatformConfig:
    return PlatformConfig(
        port=port,
        admin_token=token,
        database="platform.db",
        regions=[
            RegionConfig(
                code=CHANGSHA,
                name="长沙市",
                edition="HN",
                scheme=CSB,
                account=ACCOUNTS[CHANGSHA],
                secret_file=f"keys/{CHANGSHA}.secret",
                key_file=f"keys/platform-{CHANGSHA}.pem",
                cainfo=True,
                sign_in=True,
                open_dictionaries=("dept",),
                clr_types=HUNAN_CLEARING,
                institutions=[
                    _institution(HOSPITAL, HOSPITAL_NAME),
                    _institution(PHARMACY, PHARMACY_NAME),
                ],
            ),
            RegionConfig(
                code=SHENZHEN,
                name="深圳市",
                edition="GD",
                scheme=X_TIF,
                account=ACCOUNTS[SHENZHEN],
                secret_file=f"keys/{SHENZHEN}.secret",
                key_file=f"keys/platform-{SHENZHEN}.pem",
                cainfo=True,
                sign_in=True,
                infcode_text=True,
                open_dictionaries=("dept",),
                institutions=[_institution(SECOND_HOSPITAL, SECOND_HOSPITAL_NAME)],
            ),
        ],
        channels=[
            _channel(CHANGSHA, "hunan", HOSPITAL, HOSPITAL_NAME),
            _channel(SHENZHEN, "guangdong", SECOND_HOSPITAL, SECOND_HOSPITAL_NAME),
        ],
    )


def _channel(region: str, profile: str, hospital: str, name: str) -> ChannelConfig:
    return ChannelConfig(
        region=region,
        path=f"/{region}",
        profile=profile,
        fixmedins_code=hospital,
        fixmedins_name=name,
        account=ACCOUNTS[region],
        secret_file=f"keys/{region}.secret",
        signing_key_file="keys/gateway.pem",
        platform_public_key_file=f"keys/platform-{region}.pub.pem",
    )


def _institution(code: str, name: str) -> InstitutionConfig:
    return InstitutionConfig(
        fixmedins_code=code,
        fixmedins_name=name,
        hosp_lv="2",
        public_key_file="keys/gateway.pub.pem",
    )


def _key_pair(folder: Path, name: str) -> None:
    private = folder / f"{name}.pem"
    if private.exists():
        key = SigningKey.from_pem(private.read_bytes())
    else:
        key = SigningKey.generate()
        _write(private, key.to_pem())
    public = folder / f"{name}.pub.pem"
    if not public.exists():
        _write(public, key.public_key().to_pem())


def _secret(path: Path) -> str:
    if not path.exists():
        _write(path, secrets.token_urlsafe(24).encode())
    return path.read_text("utf-8").strip()


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
