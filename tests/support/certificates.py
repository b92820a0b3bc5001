"""Certificates for 127.0.0.1: their own issuers, or of an authority made for a test."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = timedelta(days=1)


def self_signed(
    directory: Path, *, since: timedelta = -DAY, until: timedelta = DAY, name: str = ""
) -> tuple[Path, Path]:
    """Write `cert.pem` and `key.pem`, both behind a name; their paths.

    Args:
        since, until: when it is valid, from now.
    """
    made = Issued.make("127.0.0.1", None, since, until)
    files = directory / f"{name}cert.pem", directory / f"{name}key.pem"
    files[0].write_bytes(made.certificate_pem)
    files[1].write_bytes(made.key_pem)
    return files


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(
        cls,
        common_name: str,
        issuer: "Issued | None" = None,
        since: timedelta = -DAY,
        until: timedelta = DAY,
    ) -> "Issued":
        """One that an issuer signs, or itself as an authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
        by, signer = (name, key) if issuer is None else (issuer.certificate.subject, issuer.key)
        now = datetime.now(UTC)
        alternatives = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        constraints = x509.BasicConstraints(ca=issuer is None, path_length=None)
        builder = x509.CertificateBuilder(by, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now + since).not_valid_after(now + until)
        builder = builder.add_extension(alternatives, critical=False)
        builder = builder.add_extension(constraints, critical=True)
        return cls(builder.sign(signer, hashes.SHA256()), key)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key in PEM, not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
