"""The live page of an automaton, served from the process that holds it, in the cell of a notebook.

The frame finds the page from where the notebook is seen: at a loopback address on the same machine;
on a remote one at the notebook server's `proxy/PORT/` (the extension jupyter-server-proxy), or
where Colab puts it.
"""

import html
import os
import threading
from collections.abc import Sequence

import torch

from nca.jsonl import dumps
from nca.play.extra import demand_extra
from nca.play.model import PlayedModel

HEIGHT = 640
"""Pixels of the frame."""
REMOTE = ("JUPYTERHUB_SERVICE_PREFIX", "COLAB_RELEASE_TAG")
"""Variables of kernels whose page comes through a proxy under a name that they cannot know."""

FRAME = """\
<iframe id="{name}" title="nca play" src="{address}" style="width: 100%; height: {height}px; \
border: 0"></iframe>
<script>
(async () => {{
  const frame = document.getElementById("{name}");
  const near = ["localhost", "127.0.0.1", "[::1]", ""].includes(location.hostname);
  const said = document.getElementById("jupyter-config-data")?.textContent ?? "{{}}";
  const base = JSON.parse(said).baseUrl ?? document.body.dataset.baseUrl;
  if (window.google?.colab) {{
    const place = await google.colab.kernel.proxyPort({port});
    frame.src = new URL({query}, place);
  }} else if (!near && base) {{
    frame.src = `${{location.origin}}${{base}}proxy/{port}/` + {query};
  }}
}})();
</script>"""


class Playing:
    """A page that is being served; a notebook shows it in a frame.

    Attributes:
        address: Of the page, with its token: it lets whoever has it touch the automaton.
    """

    def __init__(self, model: PlayedModel, random_seed: int, hosts: Sequence[str]) -> None:
        from nca.play.hub import Hub
        from nca.play.server import Server
        from nca.play.session import Session

        known = ["*"] if any(name in os.environ for name in REMOTE) else []
        hub = Hub(Session(model, random_seed), moving=True)
        self._server = Server(hub, "127.0.0.1", 0, hosts=[*known, *hosts], framed=True)
        self._thread = threading.Thread(target=self._server.run, name="nca-play", daemon=True)
        self._thread.start()
        self.address = self._server.auth.address

    def stop(self) -> None:
        """End the page."""
        self._server.stop()
        self._thread.join()

    def __repr__(self) -> str:
        """Return the address, or that it has ended."""
        return f"Playing({self.address})" if self._thread.is_alive() else "Playing(ended)"

    def _repr_html_(self) -> str:
        auth = self._server.auth
        query = dumps(f"?token={auth.token}")
        name = f"nca-play-{auth.port}"
        address = html.escape(self.address)
        return FRAME.format(name=name, address=address, height=HEIGHT, port=auth.port, query=query)


def play(model: PlayedModel, random_seed: int, hosts: Sequence[str] = ()) -> Playing:
    """Serve the live page of an automaton until it is stopped, or the process ends.

    Raises:
        NCAError: What serves pages is not installed.
    """
    demand_extra("Model.play")
    with torch.no_grad():
        return Playing(model, random_seed, hosts)
