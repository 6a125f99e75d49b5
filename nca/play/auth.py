"""Authentication of requests: a token, a loopback address, and our own page as origin.

Any page that a browser has open can send requests to a port of this machine. So the address is a
loopback one, the token is random and compared in constant time, a Host other than ours is refused
(a foreign name that resolves to this machine), and so is an Origin other than our own page.
"""

import hmac
import secrets
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

LOOPBACK = ("127.0.0.1", "localhost", "::1")

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Auth:
    """The token and the address of one server.

    Attributes:
        host: A loopback address.
        port: Where it listens.
        token: What the page's address carries.
    """

    host: str
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def address(self) -> str:
        """The address of the page, token included."""
        return f"http://{self._bracketed(self.host)}:{self.port}/?token={self.token}"

    def knows(self, asked: HTTPConnection) -> bool:
        """Return whether a request has the token, our host name, and our page as origin."""
        given = asked.query_params.get("token", "")
        known = hmac.compare_digest(given.encode(), self.token.encode())
        origin = asked.headers.get("origin")
        return known and self.is_host(asked) and (origin is None or origin in self._origins())

    def is_host(self, asked: HTTPConnection) -> bool:
        """Return whether a request names this server as its host."""
        return asked.headers.get("host", "") in self._hosts()

    def _hosts(self) -> list[str]:
        return [f"{self._bracketed(name)}:{self.port}" for name in {self.host, *LOOPBACK}]

    def _origins(self) -> list[str]:
        return [f"http://{host}" for host in self._hosts()]

    @staticmethod
    def _bracketed(host: str) -> str:
        return f"[{host}]" if ":" in host else host
