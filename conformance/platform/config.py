"""The configuration of the platform: one JSON file.

::

    {
      "host": "127.0.0.1",
      "port": 0,                             0: any free port
      "admin_token": "...",                  bearer token of the /admin paths
      "database": "",                        SQLite file; empty: in memory
      "regions": [
        {
          "code": "430100", "name": "长沙市",
          "edition": "HN",                   edition of the definitions; "" is the base text
          "scheme": "csb",                   csb, x-tif, apikey or none
          "milliseconds": true,              unit of the CSB timestamp
          "account": "...", "secret_file": "keys/430100.secret",
          "key_file": "keys/430100.pem",     the region's SM2 private key: signs replies when set
          "cainfo": true,                    requests must carry a signature over their input
          "sign_in": true,                   transactions need a sign_no of 9001
          "infcode_text": false,             true spells infcode "0", false 0
          "reversible": ["2102", "2207", "2304", "2401"],
          "open_dictionaries": ["caty"],
          "clr_types": {"outpatient": "11", ...},
          "discharge_first": true,           2304 that ends a stay needs 2402
          "refusal_status": 401,             HTTP status of the service gateway's refusals
          "ranges": true,                    9102 goes on where a Range header says
          "catalogue_version": "",           newest version of the catalogues; "" is all there is
          "institutions": [
            {"fixmedins_code": "H43010000001", "fixmedins_name": "长沙示范医院",
             "hosp_lv": "2", "public_key_file": "keys/H43010000001.pub.pem"}
          ]
        }
      ],
      "channels": [                          what a gateway needs to reach the centres; not
        {                                    used by the platform itself
          "region": "430100", "path": "/430100", "profile": "hunan",
          "fixmedins_code": "H43010000001", "fixmedins_name": "长沙示范医院",
          "account": "...", "secret_file": "keys/430100.secret",
          "signing_key_file": "keys/gateway.pem",
          "platform_public_key_file": "keys/platform-430100.pub.pem"
        }
      ]
    }

Paths are relative to the file. An unknown key is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from conformance.platform.wire import SCHEMES
from gateway.errors import ConfigurationError
from gateway.fsi.definitions import EDITIONS

RegionCode = Annotated[str, msgspec.Meta(pattern=r"^\d{6}$")]

CLEARING = {
    "outpatient": "11",
    "inpatient": "21",
    "outpatient_in_province": "11",
    "inpatient_in_province": "21",
    "outpatient_cross_province": "11",
    "inpatient_cross_province": "21",
    "pharmacy": "41",
    "pharmacy_in_province": "41",
    "pharmacy_cross_province": "41",
}
"""`clr_type` of a region that does not tell out-of-area settlements apart."""

HUNAN_CLEARING = {
    "outpatient_in_province": "9909",
    "inpatient_in_province": "9909",
    "outpatient_cross_province": "99963",
    "inpatient_cross_province": "99968",
    "pharmacy_in_province": "9909",
    "pharmacy_cross_province": "9974",
}
"""Hunan's clearing classes (dictionary `clr_type`): 9909 in the province, 999xx beyond it."""


class InstitutionConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A designated institution of a region."""

    fixmedins_code: Annotated[str, msgspec.Meta(pattern=r"^[HP]\d{11}$")]
    fixmedins_name: str
    hosp_lv: str = "2"
    """Grade in the dictionary `hosp_lv` (2 is 三级甲等)."""
    public_key_file: str = ""
    """SM2 public key (PEM) that its signatures verify with."""


class RegionConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A regional centre."""

    code: RegionCode
    name: str
    edition: str = ""
    scheme: str = "none"
    milliseconds: bool = True
    account: str = ""
    secret: str = ""
    secret_file: str = ""
    key_file: str = ""
    cainfo: bool = False
    sign_in: bool = False
    infcode_text: bool = False
    reversible: tuple[str, ...] = ("2102", "2207", "2304", "2401")
    open_dictionaries: tuple[str, ...] = ()
    clr_types: dict[str, str] = {}
    discharge_first: bool = True
    refusal_status: int = 401
    ranges: bool = True
    catalogue_version: str = ""
    institutions: list[InstitutionConfig] = []

    def clr_type(self, setting: str, distance: str) -> str:
        """The clearing class; `distance` is local, in_province or cross_province."""
        key = setting if distance == "local" else f"{setting}_{distance}"
        return {**CLEARING, **self.clr_types}[key]


class ChannelConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a gateway needs to reach a centre; written for whoever configures one."""

    region: RegionCode
    path: str
    profile: str
    fixmedins_code: str
    fixmedins_name: str
    account: str
    secret_file: str
    signing_key_file: str
    platform_public_key_file: str


class PlatformConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    host: str = "127.0.0.1"
    port: int = 0
    admin_token: str
    database: str = ""
    regions: Annotated[list[RegionConfig], msgspec.Meta(min_length=1)]
    channels: list[ChannelConfig] = []


def load_config(path: Path) -> PlatformConfig:
    """Read the file; secrets and keys are given by paths that exist.

    Raises:
        ConfigurationError: the file cannot be read or says something wrong.
    """
    try:
        config = msgspec.json.decode(path.read_bytes(), type=PlatformConfig)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(error), file=str(path)) from error
    folder = path.resolve().parent
    for region in config.regions:
        _check_region(region, path)
        if region.secret_file:
            region.secret = _text(folder / region.secret_file)
        region.key_file = _resolved(folder, region.key_file)
        for institution in region.institutions:
            institution.public_key_file = _resolved(folder, institution.public_key_file)
    if len({region.code for region in config.regions}) != len(config.regions):
        raise ConfigurationError("two regions have the same code", file=str(path))
    for channel in config.channels:
        channel.secret_file = _resolved(folder, channel.secret_file)
        channel.signing_key_file = _resolved(folder, channel.signing_key_file)
        channel.platform_public_key_file = _resolved(folder, channel.platform_public_key_file)
    if config.database:
        config.database = _resolved(folder, config.database)
    return config


def _check_region(region: RegionConfig, path: Path) -> None:
    if region.scheme not in SCHEMES:
        raise ConfigurationError(
            f"region {region.code}: scheme {region.scheme!r} is not one of {SCHEMES}",
            file=str(path),
        )
    if region.edition and region.edition not in EDITIONS:
        raise ConfigurationError(
            f"region {region.code}: unknown edition {region.edition!r}", file=str(path)
        )
    unknown = sorted(set(region.clr_types) - set(CLEARING))
    if unknown:
        raise ConfigurationError(
            f"region {region.code}: unknown clr_types {unknown}", file=str(path)
        )
    if region.cainfo:
        for institution in region.institutions:
            if not institution.public_key_file:
                raise ConfigurationError(
                    f"institution {institution.fixmedins_code}: public_key_file is needed",
                    file=str(path),
                )


def _resolved(folder: Path, name: str) -> str:
    return str(folder / name) if name else ""


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=str(path)) from error
