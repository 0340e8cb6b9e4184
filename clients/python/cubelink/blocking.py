"""The blocking face of the package, for scripts and notebooks: the same classes and methods, which return what the asyncio ones give when they
are awaited. The connections run in a thread of their own: they are kept alive, and come back, while the caller computes.

Any thread may call, several at once as well. Functions that listen to topics run in one more thread, one after another, and may call what they like."""

import concurrent.futures
import functools
from typing import TYPE_CHECKING, Any, Callable, Coroutine, Dict, Iterator, List, Optional, Tuple, TypeVar, Union

import numpy

from . import background, client as aio, image as aio_image, listening, regions as aio_regions
from .connection import RECONNECT, _Listening
from .jupyter import View
from .listening import Publication
from .needs import needs
from .picture import Picture
from .types import Array

if TYPE_CHECKING:
    from dask.array.core import Array as DaskArray
    from astropy.units import UnitBase
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")
Result = TypeVar("Result")


def _waiting(method: Any) -> Any:
    """A method of a face that runs the asyncio method and waits. Faces among the arguments and results are exchanged for what they stand for."""

    @functools.wraps(method)
    def call(self: "_Face", *args: Any, **kwargs: Any) -> Any:
        work = method(self._inner, *(_inside(arg) for arg in args), **{name: _inside(arg) for name, arg in kwargs.items()})
        return _outside(background.run(work, self._client._timeout), self._client)

    return call


# The same with the types of its results, which are faces where the asyncio method has what they stand for.
def _blocking(method: "Callable[Concatenate[Any, P], Coroutine[Any, Any, Result]]") -> "Callable[Concatenate[Any, P], Result]":
    face: "Callable[Concatenate[Any, P], Result]" = _waiting(method)
    return face


def _image(method: "Callable[Concatenate[Any, P], Coroutine[Any, Any, aio_image.Image]]") -> "Callable[Concatenate[Any, P], Image]":
    face: "Callable[Concatenate[Any, P], Image]" = _waiting(method)
    return face


def _images(method: "Callable[Concatenate[Any, P], Coroutine[Any, Any, List[aio_image.Image]]]") -> "Callable[Concatenate[Any, P], List[Image]]":
    face: "Callable[Concatenate[Any, P], List[Image]]" = _waiting(method)
    return face


def _images_by_id(method: "Callable[Concatenate[Any, P], Coroutine[Any, Any, Dict[int, aio_image.Image]]]") -> "Callable[Concatenate[Any, P], Dict[int, Image]]":
    face: "Callable[Concatenate[Any, P], Dict[int, Image]]" = _waiting(method)
    return face


def _region(method: "Callable[Concatenate[Any, P], Coroutine[Any, Any, aio_regions.Region]]") -> "Callable[Concatenate[Any, P], Region]":
    face: "Callable[Concatenate[Any, P], Region]" = _waiting(method)
    return face


def _regions(method: "Callable[Concatenate[Any, P], Coroutine[Any, Any, List[aio_regions.Region]]]") -> "Callable[Concatenate[Any, P], List[Region]]":
    face: "Callable[Concatenate[Any, P], List[Region]]" = _waiting(method)
    return face


def _inside(value: Any) -> Any:
    if isinstance(value, _Face):
        return value._inner
    return [_inside(item) for item in value] if isinstance(value, list) else value


def _outside(value: Any, client: "Client") -> Any:
    if isinstance(value, aio_image.Image):
        return Image(value, client)
    if isinstance(value, aio_regions.Region):
        return Region(value, client)
    if isinstance(value, list) and value and isinstance(value[0], (aio_image.Image, aio_regions.Region)):
        return [_outside(item, client) for item in value]
    if isinstance(value, dict) and value and isinstance(next(iter(value.values())), aio_image.Image):
        return {key: _outside(item, client) for key, item in value.items()}
    return value


class _Face:
    def __init__(self, inner: Any, client: "Optional[Client]" = None) -> None:
        self._inner = inner
        self._client: "Client" = client if client is not None else self  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._inner).replace("<cubelink.", "<cubelink.blocking.", 1)

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r} belongs to a connection of this process: another process, a worker of dask.distributed for example, opens its own")


class Region(_Face):
    """See cubelink.Region."""

    _inner: aio_regions.Region

    @property
    def region_id(self) -> int:
        """Its number in the session."""
        return self._inner.region_id

    @property
    def kind(self) -> str:
        """The ICD's name of its shape, ELLIPSE for example."""
        return self._inner.kind

    @property
    def points(self) -> Array:
        """(n, 2), pixels: as Image.set_region() has them."""
        return self._inner.points

    @property
    def rotation(self) -> float:
        """In degrees, counter-clockwise."""
        return self._inner.rotation

    spectrum = _blocking(aio_regions.Region.spectrum)
    spectrum_table = _blocking(aio_regions.Region.spectrum_table)
    statistics = _blocking(aio_regions.Region.statistics)
    change = _blocking(aio_regions.Region.change)
    remove = _blocking(aio_regions.Region.remove)


class Image(_Face):
    """See cubelink.Image. image[…] gives exact values, indexed as numpy does; in a notebook an image shows its picture."""

    _inner: aio_image.Image

    @property
    def file_id(self) -> int:
        """Its number in the session."""
        return self._inner.file_id

    @property
    def name(self) -> str:
        """Of the file."""
        return self._inner.name

    @property
    def shape(self) -> Tuple[int, ...]:
        """(stokes, channel, y, x) without leading axes of length 1."""
        return self._inner.shape

    @property
    def polarizations(self) -> List[str]:
        """The names of what is along the stokes axis: ["I", "Q", "U", "V"]; an empty list if the file has no such axis."""
        return self._inner.polarizations

    @property
    def axes(self) -> Tuple[str, ...]:
        """The names of the axes of `shape`."""
        return self._inner.axes

    @property
    def ndim(self) -> int:
        """The number of axes of `shape`."""
        return self._inner.ndim

    @property
    def size(self) -> int:
        """The number of pixels."""
        return self._inner.size

    @property
    def info(self) -> Dict[str, Any]:
        """The ICD's extended file information."""
        return self._inner.info

    @property
    def unit(self) -> "UnitBase":
        """BUNIT as an astropy unit; an unrecognized one keeps its text, and none is dimensionless."""
        return self._inner.unit

    @property
    def dtype(self) -> "numpy.dtype[Any]":
        """Of the values that are read."""
        return background.run(self._inner.dtype(), self._client._timeout)

    __getitem__ = _blocking(aio_image.Image.__getitem__)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> Array:
        """All of the image, for numpy's functions."""
        if copy is False:
            raise ValueError("an image's values are copied from the server")
        values: Array = self[...]
        return values if dtype is None else values.astype(dtype)

    __iter__ = None  # not pixel by pixel, unawares
    close = _blocking(aio_image.Image.close)
    read = _blocking(aio_image.Image.read)
    spectrum = _blocking(aio_image.Image.spectrum)
    spectrum_table = _blocking(aio_image.Image.spectrum_table)
    statistics = _blocking(aio_image.Image.statistics)
    spectral_axis = _blocking(aio_image.Image.spectral_axis)
    to_world = _blocking(aio_image.Image.to_world)
    to_pixel = _blocking(aio_image.Image.to_pixel)
    sky = _blocking(aio_image.Image.sky)
    pixel = _blocking(aio_image.Image.pixel)
    header = _blocking(aio_image.Image.header)
    channels = _blocking(aio_image.Image.channels)
    hdu = _blocking(aio_image.Image.hdu)
    cutout = _blocking(aio_image.Image.cutout)
    wcs = _blocking(aio_image.Image.wcs)
    set_region = _blocking(aio_image.Image.set_region)
    remove_region = _blocking(aio_image.Image.remove_region)
    add_region = _region(aio_image.Image.add_region)
    regions = _regions(aio_image.Image.regions)
    import_regions = _regions(aio_image.Image.import_regions)
    export_regions = _blocking(aio_image.Image.export_regions)
    region_spectrum = _blocking(aio_image.Image.region_spectrum)
    set_channel = _blocking(aio_image.Image.set_channel)
    set_cursor = _blocking(aio_image.Image.set_cursor)
    vectors = _blocking(aio_image.Image.vectors)
    shown = _blocking(aio_image.Image.shown)
    view = _blocking(aio_image.Image.view)
    contours = _blocking(aio_image.Image.contours)
    moments = _images(aio_image.Image.moments)
    save = _blocking(aio_image.Image.save)
    plane = _blocking(aio_image.Image.plane)
    picture = _blocking(aio_image.Image.picture)
    preview = _blocking(aio_image.Image.preview)
    render = _blocking(aio_image.Image.render)
    tile = _blocking(aio_image.Image.tile)
    tiles = _blocking(aio_image.Image.tiles)

    def __enter__(self) -> "Image":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _repr_png_(self) -> bytes:
        picture: Picture = self.picture()
        return picture.png

    def as_dask(self, chunks: Any = "32 MiB") -> "DaskArray":
        """The image as a dask array of the same shape, whose chunks are read from the server when they are computed. `chunks` as dask has them: a shape, or
        bytes that one may have. Each of dask's threads holds a chunk or two at a time, so large images need little memory. Workers in other processes
        have no connection: they call connect_blocking() themselves."""
        needs("dask", "as_dask()")
        from dask.array.core import from_array

        make: Callable[..., DaskArray] = from_array  # dask's own annotations are no whole ones
        return make(self, chunks=chunks, name=f"cubelink-{self._client.session_id}-{self.file_id}-{id(self._inner)}", asarray=False)


class Publications:
    """See cubelink.Publications: get(), or a `for` loop, which ends with ConnectionLost."""

    def __init__(self, queue: listening.Publications) -> None:
        self._queue = queue

    def get(self, timeout: Optional[float] = None) -> Publication:
        """The next one. TimeoutError after so many seconds."""
        return background.run(self._queue.get(), timeout)

    def __iter__(self) -> Iterator[Publication]:
        while True:
            yield self.get()


class _BlockingListening:
    def __init__(self, client: aio.Client, topics: Tuple[str, ...]) -> None:
        self._client, self._topics = client, topics

    def __enter__(self) -> Publications:
        async def enter() -> Any:
            self._listening = _Listening(self._client, self._topics)
            return self._listening.__enter__()

        return Publications(background.run(enter()))

    def __exit__(self, *_: Any) -> None:
        async def leave() -> None:
            self._listening.__exit__()

        background.run(leave())


class Client(_Face):
    """See cubelink.Client."""

    _inner: aio.Client

    def __init__(self, inner: aio.Client, timeout: Optional[float]) -> None:
        self._timeout = timeout
        super().__init__(inner)
        self._callbacks: Dict[Tuple[str, Callable[[Any], Any]], Callable[[Any], Any]] = {}
        self._caller: Optional[concurrent.futures.ThreadPoolExecutor] = None

    def __repr__(self) -> str:
        return f"<cubelink.blocking.Client of session {self.session_id}>"

    @property
    def session_id(self) -> int:
        """Of the session, for others to join it."""
        return self._inner.session_id

    @property
    def client_id(self) -> str:
        """The server's name for the connection."""
        return self._inner.client_id

    @property
    def connected(self) -> bool:
        """Whether calls are answered; False while a lost connection is made again."""
        return self._inner.connected

    call = _blocking(aio.Client.call)
    list_files = _blocking(aio.Client.list_files)
    files = _blocking(aio.Client.files)
    open = _image(aio.Client.open)
    open_stokes = _image(aio.Client.open_stokes)
    open_expression = _image(aio.Client.open_expression)
    read_catalog = _blocking(aio.Client.read_catalog)
    opened = _images_by_id(aio.Client.opened)

    def view(self, width: Union[int, str] = "100%", height: int = 640, page: Optional[str] = None) -> View:
        """See cubelink.Client.view()."""
        return self._inner.view(width, height, page)

    def listen(self, *topics: str) -> _BlockingListening:
        """A context manager that yields the Publications on these topics."""
        return _BlockingListening(self._inner, topics)

    def subscribe(self, topic: str, callback: Callable[[Any], Any], filter: Optional[Dict[str, Any]] = None) -> None:
        """See cubelink.Client.subscribe(). The callback runs in a thread of its own."""
        if self._caller is None:
            self._caller = concurrent.futures.ThreadPoolExecutor(1, "cubelink-callbacks")
        caller = self._caller

        def hand_over(message: Any) -> None:
            caller.submit(callback, message).add_done_callback(_raise_in_loop)

        forward = self._callbacks.setdefault((topic, callback), hand_over)
        background.run(self._inner.subscribe(topic, forward, filter), self._timeout)

    def unsubscribe(self, topic: str, callback: Callable[[Any], Any]) -> None:
        """Ends what subscribe() began for this callback."""
        forward = self._callbacks.pop((topic, callback), None)
        if forward is not None:
            background.run(self._inner.unsubscribe(topic, forward), self._timeout)

    def close(self) -> None:
        """Says good-bye: if this was the session's only connection, the session ends."""
        background.run(self._inner.close())
        if self._caller is not None:
            self._caller.shutdown(wait=False)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _raise_in_loop(done: "concurrent.futures.Future[Any]") -> None:
    """A listener's mistake is told as asyncio tells it."""
    error = done.exception() if not done.cancelled() else None
    if error is not None:
        background.loop().call_exception_handler({"message": "a listener failed", "exception": error})


def connect(url: str = "ws://localhost:1234/ws", secret: Optional[str] = None, session_id: int = 0, reconnect: float = RECONNECT,
            timeout: Optional[float] = None, **options: Any) -> Client:
    """A Client, connected; also a context manager that closes it. The arguments are those of cubelink.connect(); `timeout`: seconds that a call may
    take (TimeoutError), None: any time."""

    async def connected() -> aio.Client:
        return await aio.connect(url, secret, session_id, reconnect, **options)

    return Client(background.run(connected(), timeout), timeout)
