"""What notebooks show."""

import html
import urllib.parse
from typing import Union

from .connection import Address


class View:
    """The viewer in a frame. Attribute: `url`, its address with the token, joining the session."""

    def __init__(self, address: Address, session_id: int, width: Union[int, str], height: int) -> None:
        query = "?" + urllib.parse.urlencode({"token": address.secret}) if address.secret else ""
        self.url = f"{address.page}{query}#session={session_id}"
        self._width, self._height = width, height

    def __repr__(self) -> str:
        return "<cubelink.View>"  # without the token, which the url has

    def _repr_html_(self) -> str:
        source, width = html.escape(self.url, quote=True), html.escape(str(self._width), quote=True)
        return f'<iframe src="{source}" width="{width}" height="{int(self._height)}" style="border: 0" title="Cubelink viewer" allowfullscreen></iframe>'
