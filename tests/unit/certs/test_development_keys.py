import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from certs import (
    Kind,
    TLSFiles,
    check_expiry,
    describe,
    ensure_secret,
    ensure_signing_pair,
    ensure_tls,
    load_signing_key,
    load_verify_key,
)
from gateway.errors import ConfigurationError

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
HOSTS = ["localhost", "127.0.0.1"]


def handshake(files: TLSFiles, host: str) -> str | None:
    """The TLS version that a client who trusts the authority agrees on with the server."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(files.certificate, files.key)
    client_side = ssl.create_default_context(cafile=str(files.authority))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.version()


def test_a_signing_pair_is_made_once(tmp_path: Path) -> None:
    """What the private file signs the public file verifies, and a second start changes nothing."""
    pair = ensure_signing_pair(tmp_path, "hospital")
    assert (pair.private.name, pair.public.name) == ("hospital.sm2.key", "hospital.sm2.pub")
    before = pair.private.read_bytes(), pair.public.read_bytes()
    assert ensure_signing_pair(tmp_path, "hospital") == pair
    assert (pair.private.read_bytes(), pair.public.read_bytes()) == before
    signature = load_signing_key(pair.private).sign(b"text")
    assert load_verify_key(pair.public).verify(signature, b"text")
    assert not load_verify_key(pair.public).verify(signature, b"other")


def test_a_private_signing_file_has_mode_0600(tmp_path: Path) -> None:
    """And is refused as soon as it has not."""
    pair = ensure_signing_pair(tmp_path, "hospital")
    assert pair.private.stat().st_mode & 0o777 == 0o600
    pair.private.chmod(0o644)
    with pytest.raises(ConfigurationError, match="open to other users"):
        ensure_signing_pair(tmp_path, "hospital")


def test_a_missing_public_file_is_written_again(tmp_path: Path) -> None:
    """It follows from the private one."""
    pair = ensure_signing_pair(tmp_path, "hospital")
    before = pair.public.read_bytes()
    pair.public.unlink()
    ensure_signing_pair(tmp_path, "hospital")
    assert pair.public.read_bytes() == before


def test_a_public_file_of_another_key_is_refused(tmp_path: Path) -> None:
    """The platform would hold a key that verifies nothing of ours."""
    one, two = ensure_signing_pair(tmp_path, "one"), ensure_signing_pair(tmp_path, "two")
    one.public.write_bytes(two.public.read_bytes())
    with pytest.raises(ConfigurationError, match=r"one\.sm2\.key"):
        ensure_signing_pair(tmp_path, "one")


def test_a_secret_is_random_and_kept(tmp_path: Path) -> None:
    """Two names have two texts; the same name has the same."""
    one, two = ensure_secret(tmp_path, "one"), ensure_secret(tmp_path, "two")
    assert one.read_text() != two.read_text()
    assert len(one.read_text().strip()) >= 32
    before = one.read_text()
    assert ensure_secret(tmp_path, "one").read_text() == before
    assert one.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("host", HOSTS)
def test_a_client_that_trusts_the_authority_reaches_the_server(tmp_path: Path, host: str) -> None:
    """By name and by address."""
    files = ensure_tls(tmp_path, HOSTS, now=datetime.now(UTC))
    assert handshake(files, host) == "TLSv1.3"


def test_a_client_refuses_the_server_under_another_name(tmp_path: Path) -> None:
    """The certificate says which hosts it is for."""
    files = ensure_tls(tmp_path, HOSTS, now=datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(files, "example.org")


def test_the_server_certificate_lasts_397_days_and_is_no_authority(tmp_path: Path) -> None:
    """The limit of the CA/Browser Forum; the authority itself may only sign servers."""
    files = ensure_tls(tmp_path, HOSTS, now=NOW)
    server = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    assert server.not_valid_after_utc == NOW + timedelta(days=397)
    limits = [
        certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        for certificate in (server, authority)
    ]
    assert [(limit.ca, limit.path_length) for limit in limits] == [(False, None), (True, 0)]


def test_a_server_certificate_is_renewed_before_it_expires(tmp_path: Path) -> None:
    """It has 397 days; with 31 left it is kept, with 30 it is made anew by the same authority."""
    files = ensure_tls(tmp_path, HOSTS, now=NOW)
    first, authority = files.certificate.read_bytes(), files.authority.read_bytes()
    ensure_tls(tmp_path, HOSTS, now=NOW + timedelta(days=366))
    assert files.certificate.read_bytes() == first
    ensure_tls(tmp_path, HOSTS, now=NOW + timedelta(days=367))
    assert files.certificate.read_bytes() != first
    assert files.authority.read_bytes() == authority


def test_a_further_host_makes_a_new_server_certificate(tmp_path: Path) -> None:
    """A subset of the hosts does not."""
    files = ensure_tls(tmp_path, HOSTS, now=NOW)
    first = files.certificate.read_bytes()
    ensure_tls(tmp_path, HOSTS[:1], now=NOW)
    assert files.certificate.read_bytes() == first
    ensure_tls(tmp_path, [*HOSTS, "gateway.test"], now=NOW)
    assert files.certificate.read_bytes() != first


def test_a_certificate_that_does_not_fit_its_key_is_made_anew(tmp_path: Path) -> None:
    """A start that was cut off between the two files heals itself."""
    files = ensure_tls(tmp_path, HOSTS, now=NOW)
    other = ensure_tls(tmp_path / "other", HOSTS, now=NOW)
    files.key.write_bytes(other.key.read_bytes())
    first = files.certificate.read_bytes()
    ensure_tls(tmp_path, HOSTS, now=NOW)
    assert files.certificate.read_bytes() != first


def test_an_expired_authority_is_an_error(tmp_path: Path) -> None:
    """Clients would refuse everything that it signs."""
    ensure_tls(tmp_path, HOSTS, now=NOW)
    with pytest.raises(ConfigurationError, match="expired"):
        ensure_tls(tmp_path, HOSTS, now=NOW + timedelta(days=3650))


def test_a_server_certificate_needs_a_host(tmp_path: Path) -> None:
    """A certificate for nobody helps nobody."""
    with pytest.raises(ConfigurationError, match="host"):
        ensure_tls(tmp_path, [], now=NOW)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (-1, "not valid before"),
        (0, ""),
        (367, ""),
        (368, "expires in 29 days"),
        (398, "expired on"),
    ],
)
def test_the_expiry_of_a_certificate_is_told_in_time(tmp_path: Path, days: int, said: str) -> None:
    """Thirty days before the end of its 397 nothing is said yet."""
    files = ensure_tls(tmp_path, HOSTS, now=NOW)
    sentence = check_expiry(files.certificate, now=NOW + timedelta(days=days))
    assert said in sentence
    assert bool(said) is bool(sentence)


def test_a_listing_tells_what_there_is_and_nothing_secret(tmp_path: Path) -> None:
    """Kind, fingerprint and days for every file; the secrets appear nowhere in it."""
    pair = ensure_signing_pair(tmp_path, "hospital")
    secret = ensure_secret(tmp_path, "token")
    files = ensure_tls(tmp_path, HOSTS, now=NOW)
    (tmp_path / "notes.txt").write_text("not a key")
    listing = {info.path.name: info for info in describe(tmp_path, now=NOW)}
    assert {name: info.kind for name, info in listing.items()} == {
        "ca.crt": Kind.CERTIFICATE,
        "ca.key": Kind.PRIVATE_KEY,
        "hospital.sm2.key": Kind.SIGNING_KEY,
        "hospital.sm2.pub": Kind.VERIFY_KEY,
        "server.crt": Kind.CERTIFICATE,
        "server.key": Kind.PRIVATE_KEY,
        "token.secret": Kind.SECRET,
    }
    assert listing["hospital.sm2.key"].fingerprint == listing["hospital.sm2.pub"].fingerprint
    assert listing["server.crt"].days_left == 397
    assert not any(info.problems for info in listing.values())
    shown = repr(list(listing.values()))
    assert secret.read_text().strip() not in shown
    for path in (pair.private, files.key):
        assert path.read_text().splitlines()[1] not in shown


def test_a_listing_tells_what_is_wrong(tmp_path: Path) -> None:
    """An open private file, an expired certificate and a file that holds something else."""
    pair = ensure_signing_pair(tmp_path, "hospital")
    ensure_tls(tmp_path, HOSTS, now=NOW)
    pair.private.chmod(0o644)
    (tmp_path / "platform.sm2.pub").write_text("not a key")
    later = NOW + timedelta(days=400)
    listing = {info.path.name: info.problems for info in describe(tmp_path, now=later)}
    assert "0644" in listing["hospital.sm2.key"][0]
    assert "expired" in listing["server.crt"][0]
    assert listing["ca.crt"] == ()
    assert "not an SM2 public key" in listing["platform.sm2.pub"][0]


def test_a_listing_needs_a_folder(tmp_path: Path) -> None:
    """A wrong path is no empty folder."""
    with pytest.raises(ConfigurationError, match="not a folder"):
        describe(tmp_path / "absent", now=NOW)
