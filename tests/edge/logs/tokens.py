"""A runtime token to hide, and the same percent-encoded."""

from tokens.secret import mint

TOKEN = mint(lambda count: bytes(range(count)))
ENCODED = "".join(f"%{ord(character):02x}" for character in TOKEN)
