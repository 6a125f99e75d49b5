"""Authentication of requests: a token, names of this machine, and our own page as origin.

Any page that a browser has open can send requests to a port of this machine. So the address is a
loopback one, the token is random and compared in constant time, a Host other than this machine's
names is refused (a foreign name that resolves to this machine), and so is an Origin other than our
own page. The port may be another one: `ssh -L` and proxies forward it.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANY = "*"
"""Stands for any name of a host."""

POLICY = "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'"
UNFRAMED = "; frame-ancestors 'none'"
"""Left out where a notebook may frame the page, whose scheme may be an editor's own."""


@dataclass(frozen=True)
class Auth:
    """The token and the address of one server.

    Attributes:
        host: A loopback address.
        port: Where it listens.
        token: What the page's address carries.
        hosts: Under which other names a proxy may ask for it; `*`: any.
        framed: Whether other pages, notebooks say, may frame it.
    """

    host: str
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    hosts: tuple[str, ...] = ()
    framed: bool = False

    @property
    def address(self) -> str:
        """The address of the page, token included."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/?token={self.token}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer."""
        return {
            "Content-Security-Policy": POLICY + ("" if self.framed else UNFRAMED),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }

    def knows(self, asked: HTTPConnection) -> bool:
        """Return whether a request has the token, our host name, and our page as origin."""
        given = asked.query_params.get("token", "")
        known = hmac.compare_digest(given.encode(), self.token.encode())
        return known and self.is_host(asked) and self._is_origin(asked)

    def is_host(self, asked: HTTPConnection) -> bool:
        """Return whether a request names this server as its host, on whatever port."""
        return self._is_ours(_name(f"//{asked.headers.get('host', '')}"))

    def _is_origin(self, asked: HTTPConnection) -> bool:
        """Return whether a request comes from our page, or from no page."""
        origin = asked.headers.get("origin")
        if origin is None or _name(origin) in self.hosts:
            return True
        same = origin.partition("://")[2] == asked.headers.get("host", "")
        return same and self._is_ours(_name(origin))

    def _is_ours(self, name: str | None) -> bool:
        return name is not None and (
            name in {self.host, *LOOPBACK, *self.hosts} or ANY in self.hosts
        )


def _name(address: str) -> str | None:
    """Return the name of the host in an address; None where there is none."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
