"""The hash chains: each event of an account names the SHA-256 of the account's event before."""

from hashlib import sha256

from leaky.verification.published import PublishedEvent


class Chains:
    """Follows the chains of one partition's published events; remembers each one's head.

    The partition's own events (policies) are a chain too.
    """

    def __init__(self) -> None:
        self._heads: dict[str | None, bytes] = {}
        self.links = 0
        self.reply_digests = 0

    def __len__(self) -> int:
        return len(self._heads)

    def follow(self, event: PublishedEvent) -> tuple[str | None, str | None] | None:
        """Take the next event; (expected, published) hash of the one before if they differ."""
        sealed = event.sealed
        if sealed is None:
            return None
        head = self._heads.get(sealed.account)
        expected = None if head is None else head.hex()
        self._heads[sealed.account] = sha256(event.value).digest()
        self.reply_digests += sealed.seal.reply_digest is not None
        if sealed.seal.previous_hash != expected:
            return expected, sealed.seal.previous_hash
        self.links += 1
        return None
