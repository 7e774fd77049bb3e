"""Keys and certificates: how they are made, checked and stored.

Nothing secret is part of the project: development keys are made on first start into a folder of
the site, and a platform's keys are put there by people. docs/reference/keys.md describes the files.
"""

from certs.files import read_private, write_private, write_public
from certs.inventory import KeyInfo, Kind, check_expiry, describe
from certs.signing import SigningPair, ensure_signing_pair, load_signing_key, load_verify_key
from certs.tls import TLSFiles, ensure_tls
from certs.tokens import ensure_secret

__all__ = [
    "KeyInfo",
    "Kind",
    "SigningPair",
    "TLSFiles",
    "check_expiry",
    "describe",
    "ensure_secret",
    "ensure_signing_pair",
    "ensure_tls",
    "load_signing_key",
    "load_verify_key",
    "read_private",
    "write_private",
    "write_public",
]
