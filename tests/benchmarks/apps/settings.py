"""What the Python proxies are told: read once from the environment that the benchmark sets."""

import hashlib
import os
from pathlib import Path

PORT = int(os.environ.get("BENCH_PORT", "0"))
UPSTREAM = f"http://127.0.0.1:{os.environ.get('BENCH_UPSTREAM', '0')}"
STORE = Path(os.environ.get("BENCH_STORE", "."))
CERTIFICATE = os.environ.get("BENCH_CERTIFICATE", "")
KEY = os.environ.get("BENCH_KEY", "")

REFUSAL = b'{"error":"Unauthorized","message":"Missing or invalid X-Jelou-Token header"}'
DROPPED = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "x-jelou-token"}
)
"""Fields that a proxy does not pass on (RFC 9110 §7.6.1), and the token."""

_path = os.environ.get("BENCH_DIGESTS")
_known = dict.fromkeys(Path(_path).read_text("utf-8").split() if _path else (), True)
_digests = {bytes.fromhex(digest): True for digest in _known}


def is_known(token: str) -> bool:
    """Whether the token's SHA-256 is among the known digests."""
    return hashlib.sha256(token.encode("latin-1")).digest() in _digests
