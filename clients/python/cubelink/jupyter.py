"""What notebooks show."""

import html
import os
import urllib.parse
from typing import Optional, Union

from .connection import Address

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class View:
    """The viewer in a frame. Attribute: `url`, its address with the token, joining the session."""

    def __init__(self, address: Address, session_id: int, width: Union[int, str], height: int, page: Optional[str] = None) -> None:
        query = {**({"token": address.secret} if address.secret else {}), "session": str(session_id)}
        self.url = f"{page_of(address) if page is None else page}?{urllib.parse.urlencode(query)}"
        self._width, self._height = width, height

    def __repr__(self) -> str:
        return "<cubelink.View>"  # without the token, which the url has

    def _repr_html_(self) -> str:
        source, width = html.escape(self.url, quote=True), html.escape(str(self._width), quote=True)
        return (f'<iframe src="{source}" width="{width}" height="{int(self._height)}" style="border: 0" title="Cubelink viewer" allowfullscreen></iframe>'
                f'<div><a href="{source}" target="_blank" rel="noopener">Viewer in a tab of its own</a></div>')  # fmt: skip


def page_of(address: Address) -> str:
    """The viewer's address for the browser of whoever uses this notebook: in JupyterHub, where a server beside the notebook's kernel is on another
    machine than the browser, the one that jupyter-server-proxy gives it."""
    hub = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    place = urllib.parse.urlsplit(address.page)
    if not hub or place.hostname not in LOOPBACK:
        return address.page
    return f"{hub.rstrip('/')}/proxy/{place.port or 80}{place.path}"
