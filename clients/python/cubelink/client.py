"""The client: a connection, and the images of its session."""

from typing import TYPE_CHECKING, Any, Dict, Generator, Mapping, Optional, Sequence, Union

from .connection import RECONNECT, Address, Connection
from .image import Image
from .jupyter import View
from .tables import file_table, read_catalog

if TYPE_CHECKING:
    from astropy.table import Table


def connect(url: str = "ws://localhost:1234/ws", secret: Optional[str] = None, session_id: int = 0, reconnect: float = RECONNECT, **options: Any) -> "_Connecting":
    """An asynchronous context manager (`async with connect(…) as client`), or awaitable for a Client that is to be closed.

    url         the server's address: ws://host:port/ws, or the http://host:port/?token=… that it printed
    secret      what the server printed as its token (default: the one in the url, or the environment's CUBELINK_AUTHKEY)
    session_id  of a session to join, one that is open in a browser for example (SessionNotFound if there is none); 0 makes a new one
    reconnect   seconds for which a lost connection is tried again; 0: not at all
    options     for websockets.connect (ssl, extra_headers, …)
    """
    return _Connecting(Address(url, secret), session_id, reconnect, options)


class _Connecting:
    def __init__(self, address: Address, session_id: int, reconnect: float, options: Dict[str, Any]) -> None:
        self._arguments = address, session_id, reconnect
        self._options = options
        self._client: Optional[Client] = None

    async def _open(self) -> "Client":
        client = Client(*self._arguments, **self._options)
        await client._start()
        return client

    def __await__(self) -> Generator[Any, None, "Client"]:
        return self._open().__await__()

    async def __aenter__(self) -> "Client":
        self._client = await self._open()
        return self._client

    async def __aexit__(self, *_: Any) -> None:
        if self._client is not None:
            await self._client.close()


class Client(Connection):
    """A Connection with the images of its session."""

    async def list_files(self, directory: str = "") -> Dict[str, Any]:
        """The answer to FILE_LIST_REQUEST as a map: `files`, `subdirectories` and more."""
        answer: Dict[str, Any] = await self.call("carta.file.list.request", {"directory": directory, "filter_mode": "Content"})
        return answer

    async def files(self, directory: str = "") -> "Table":
        """The images of a folder as an astropy Table: name, type, size (bytes), date (when it was written, a Time)."""
        return file_table(await self.list_files(directory))

    async def open(self, path: str, hdu: Union[str, int] = "") -> Image:
        """Opens an image below the server's folder. `hdu`: its number in the file; the first that is an image if empty."""
        directory, _, name = path.rpartition("/")
        return await self._open({"directory": directory, "file": name, "hdu": str(hdu)})

    async def open_expression(self, expression: str, directory: str = "") -> Image:
        """Opens what an expression of images makes, for example "a.fits - b.fits"; the names are of files in `directory`. The language:
        docs/expressions.md."""
        return await self._open({"directory": directory, "file": expression, "hdu": "", "lel_expr": True})

    async def open_stokes(self, paths: Mapping[str, str]) -> Image:
        """Opens files of one polarization each as one image: {"I": "cube_i.fits", "Q": "cube_q.fits"} (I, Q, U, V, RR, LL, …). The files must agree in shape and
        coordinates."""
        files = [{"directory": path.rpartition("/")[0], "file": path.rpartition("/")[2], "hdu": "", "polarization_type": name} for name, path in paths.items()]
        return await self._open({"stokes_files": files}, "carta.concat.stokes.files")

    async def _open(self, request: Dict[str, Any], method: str = "carta.open.file") -> Image:
        if len(await self.call("session.connections")) > 1:
            # Images of others must not be replaced, and what is told of them may still be on its way.
            self._next_file = max(self._next_file, (await self.call("session.state"))["next_file_id"])
        file_id = self._next_file
        self._next_file += 1
        answer = await self.call(method, {**request, "file_id": file_id, "render_mode": "RASTER"})
        return Image(self, file_id, answer.get("open_file_ack") or answer)

    async def opened(self) -> Dict[int, Image]:
        """The images that are open in the session, also those that other connections opened: {file_id: Image}."""
        state = await self.call("session.state")
        return {file["file_id"]: Image(self, file["file_id"], file["open_file_ack"]) for file in state["files"]}

    async def read_catalog(self, path: str, filters: Sequence[Dict[str, Any]] = (), sort: str = "", rows: Optional[int] = None, timeout: Optional[float] = None) -> "Table":
        """The rows of a catalogue below the server's folder (VOTable, FITS table, CSV and others) as an astropy Table with units; columns of arrays are
        left out. The server filters and sorts: `filters` are maps of the ICD's FilterConfig, {"column_name": "flux", "comparison_operator": "Greater", "value": 1}, all
        of which must hold; `sort` is a column's name; `rows`: at most so many."""
        return await read_catalog(self, path, filters, sort, rows, timeout)

    def view(self, width: Union[int, str] = "100%", height: int = 640, page: Optional[str] = None) -> View:
        """The server's page in this session, to show in a notebook; its `url` is for a browser. `width`, `height` in CSS pixels, or as "100%". `page`: where
        a browser finds the server's page, if that is another address than the one that was connected to (behind a proxy or a tunnel); in JupyterHub
        the path of jupyter-server-proxy is taken for a server on the notebook's machine. The address contains the token: keep the notebook's output
        to those who may know it."""
        return View(self.address, self.session_id, width, height, page)
