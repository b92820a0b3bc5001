"""TLS at the front: the certificate that clients see, tried before it is used, read anew in time.

A context of the `ssl` module stays what it was once listening begins; each handshake is pointed at
the newest good pair (RFC 6066's server name callback, which is called without a name too), so that
no connection notices a change. Not here: TLS towards functions (`edge/forwarding/tls.py`).
"""

import logging
import re
import ssl
from collections.abc import Callable
from pathlib import Path

from edge.config import Config

LOG = logging.getLogger("edge.server")

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption alone (RFC 9325 §4.2). Those of TLS 1.3
all have both."""

PROTOCOLS = ("h2", "http/1.1")

_FIRST = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_NOT_YET, _EXPIRED = 9, 10
"""X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED, as OpenSSL numbers them."""

_OUT_OF_TIME = {_NOT_YET: "the certificate is not valid yet", _EXPIRED: "the certificate expired"}
_REASONS = {
    "KEY_VALUES_MISMATCH": "the key is not that of the certificate",
    "EE_KEY_TOO_SMALL": "the certificate's key is too short",
    "NO_START_LINE": "there is no PEM certificate in it",
}

Stamp = tuple[int, int, int]
"""What tells whether a file is another than it was: inode, time of change (ns), size."""


class CertificateError(Exception):
    """Files that cannot be used; the text names them and says why."""


class Certificates:
    """The pair that handshakes of this process use.

    Attributes:
        public: for listeners of the public addresses.
        admin: for the admin address: with `admin_client_ca`, clients must show a certificate of it.
        renewed: called when another pair is used.
    """

    renewed: Callable[[], None]

    def __init__(self, config: Config) -> None:
        """Read the files; a pair that is out of time is used. Raises CertificateError."""
        self._config = config
        self.renewed = _nobody
        self._used = self._seen = self._stamps()
        self._public, self._admin = _contexts(config)
        self.public, self.admin = _contexts(config)
        self.public.sni_callback = self._point_public
        self.admin.sni_callback = self._point_admin

    def look(self) -> None:
        """Read the files anew if they are others than before, and have come to rest.

        A certificate and its key are written one after the other: what is seen for the first time
        is left alone until it is seen again. Called about once a second.
        """
        stamps = self._stamps()
        if stamps == self._seen != self._used:
            self.reload()
        self._seen = stamps

    def reload(self) -> None:
        """Read the files anew; what cannot be used leaves everything as it was, and is logged."""
        self._used = self._stamps()
        try:
            check(self._config)
            self._public, self._admin = _contexts(self._config)
        except CertificateError as error:
            LOG.error("%s The certificate in use stays.", error)
        else:
            LOG.warning("certfile %s was read anew", self._config.certfile)
            self.renewed()

    def _point_public(self, tls: ssl.SSLObject, name: str | None, shell: ssl.SSLContext) -> None:
        del name, shell
        tls.context = self._public

    def _point_admin(self, tls: ssl.SSLObject, name: str | None, shell: ssl.SSLContext) -> None:
        del name, shell
        tls.context = self._admin

    def _stamps(self) -> tuple[Stamp | None, ...]:
        config = self._config
        files = (config.certfile, config.keyfile, config.admin_client_ca)
        return tuple(_stamp(file) for file in files if file is not None)


def check(config: Config) -> None:
    """Try the pair in a handshake that goes nowhere, if there is one.

    Raises:
        CertificateError: it cannot be used, or is out of time.
    """
    if config.certfile is None:
        return
    public, _ = _contexts(config)
    found = _FIRST.search(config.certfile.read_text("ascii", "replace"))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # this very certificate is trusted
    try:
        client.load_verify_locations(cadata=found[0] if found else "")
        _shake_hands(public, client)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _OUT_OF_TIME:
            raise _unusable(config, _OUT_OF_TIME[error.verify_code]) from error
    except ssl.SSLError as error:
        raise _unusable(config, _why(error)) from error


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server)
    for side in (theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def _contexts(config: Config) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    public, admin = _context(config), _context(config)
    if config.admin_client_ca is not None:
        _ask_for_certificates(admin, config.admin_client_ca)
    return public, admin


def _context(config: Config) -> ssl.SSLContext:
    assert config.certfile is not None and config.keyfile is not None  # noqa: S101, PT018 — or no TLS
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(list(PROTOCOLS))
    # Over HTTP/2 both are forbidden (RFC 9113 §9.2.1), and nobody needs them elsewhere.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        for file in (config.certfile, config.keyfile):
            file.read_bytes()  # `load_cert_chain` does not say which one it misses
        context.load_cert_chain(config.certfile, config.keyfile, _no_password)
    except OSError as error:
        raise _unusable(config, _why(error)) from error
    except _Encrypted as error:
        raise _unusable(config, "the key is encrypted; store it decrypted") from error
    return context


def _ask_for_certificates(context: ssl.SSLContext, authority: Path) -> None:
    """Let in who has a certificate of an authority, judged anew with each connection."""
    try:
        context.load_verify_locations(authority)
    except OSError as error:
        raise CertificateError(
            f"admin_client_ca {authority} cannot be used: {_why(error)}."
        ) from error
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # a session taken up again would not show its certificate


class _Encrypted(Exception):
    """A key asks for a password."""


def _no_password() -> str:
    raise _Encrypted


def _unusable(config: Config, why: str) -> CertificateError:
    files = f"certfile {config.certfile} cannot be used with keyfile {config.keyfile}"
    return CertificateError(f"{files}: {why}.")


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        return _REASONS.get(reason, f"it is not valid PEM ({reason or error.args[-1]})")
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)


def _nobody() -> None:
    """Before anybody else uses the pair."""


def _stamp(file: Path) -> Stamp | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
