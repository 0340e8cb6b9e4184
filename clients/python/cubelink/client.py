"""The connection: calls, topics, and what is built from them. For asyncio; all of it belongs to one event loop."""

import asyncio
import collections
import itertools
import os
import urllib.parse
from typing import Any, Callable, Dict, Generator, List, Optional, Set, Tuple, Union

import numpy
import websockets
from websockets.exceptions import ConnectionClosed

from . import wire
from .image import Image
from .listening import Publication, Publications

Callback = Callable[[Any], Any]


def connect(url: str = "ws://localhost:1234/ws", secret: Optional[str] = None, session_id: int = 0, **options: Any) -> "_Connecting":
    """An asynchronous context manager (`async with connect(…) as client`), or awaitable for a Client that is to be closed.

    url         the server's address: ws://host:port/ws, or the http://host:port/?token=… that it printed
    secret      what the server printed as its token (default: the one in the url, or the environment's CUBELINK_AUTHKEY)
    session_id  of a session to join; 0 makes a new one
    options     for websockets.connect (ssl, extra_headers, …)
    """
    return _Connecting(url, secret, session_id, options)


class _Connecting:
    def __init__(self, url: str, secret: Optional[str], session_id: int, options: Dict[str, Any]) -> None:
        parts = urllib.parse.urlsplit(url)
        query = urllib.parse.parse_qs(parts.query)
        if secret is None:
            secret = query.get("token", [os.environ.get("CUBELINK_AUTHKEY", "")])[0]
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        path = parts.path if parts.path.endswith("/ws") else parts.path.rstrip("/") + "/ws"
        self._url = urllib.parse.urlunsplit((scheme, parts.netloc, path, "", ""))
        self._secret, self._session_id, self._options = secret, session_id, options
        self._client: Optional[Client] = None

    async def _open(self) -> "Client":
        socket = await websockets.connect(self._url, max_size=None, compression=None, **self._options)  # type: ignore[attr-defined]
        client = Client(socket)
        try:
            await client._begin(self._secret, self._session_id)
        except BaseException:
            await client.close()
            raise
        return client

    def __await__(self) -> Generator[Any, None, "Client"]:
        return self._open().__await__()

    async def __aenter__(self) -> "Client":
        self._client = await self._open()
        return self._client

    async def __aexit__(self, *_: Any) -> None:
        if self._client is not None:
            await self._client.close()


class Client:
    """One connection to a server, registered as a viewer. Attributes: `client_id`, `session_id`, `user`.

    Any other wslink server of the second generation does as well: then `session_id` stays 0, and there are calls and topics only."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._assembler = wire.Assembler()
        self._numbers = itertools.count()
        self._waiting: Dict[str, Tuple["asyncio.Future[Any]", str]] = {}  # id → (future, method)
        self._listeners: Dict[str, Set[Callback]] = collections.defaultdict(set)
        self._queues: Set[Publications] = set()
        self._sending: Set["asyncio.Future[None]"] = set()
        self._frame_limit = wire.FIRST_LIMIT
        self._error: Optional[Exception] = None
        self._subscribed: Optional[Set[str]] = None  # topics that the server was told of; None: it sends everything
        self._next_file = 0
        self.client_id = ""
        self.session_id = 0
        self.user: Dict[str, Any] = {}
        self._reader = asyncio.ensure_future(self._read())

    async def _begin(self, secret: str, session_id: int) -> None:
        hello = await self._request("system:c0:0", "wslink.hello", [{"secret": secret}], {})
        self.client_id = hello["clientID"]
        self._frame_limit = hello.get("maxMsgSize", wire.FRAME_LIMIT)
        try:
            registered = await self.call("carta.register.viewer", {"session_id": session_id})
        except wire.CallError as error:
            if error.code == wire.UNKNOWN_METHOD and not session_id:
                return  # no server of images
            raise
        _check(registered, "carta.register.viewer")
        self.session_id = registered["session_id"]
        self.user = {key: registered.get(key) for key in ("user_preferences", "user_layouts")}
        if session_id:
            self._next_file = max(self._next_file, (await self.call("session.state"))["next_file_id"])

    async def wait_closed(self) -> Exception:
        """Waits until the connection has ended, and says why: a ConnectionLost. To come back, connect() with the old `session_id`."""
        await asyncio.wait([self._reader])
        assert self._error is not None
        return self._error

    async def close(self) -> None:
        """Says good-bye: if this was the session's only connection, the session ends."""
        self._error = self._error or wire.ConnectionLost("the connection was closed")
        await self._socket.close(1000)
        self._reader.cancel()
        try:
            await self._reader
        except asyncio.CancelledError:
            pass
        self._fail(self._error)

    # Calls

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a method and returns its result; bytes, numpy scalars and arrays (as lists) may stand anywhere in the arguments.
        Raises CallError if the server answers with an error, ConnectionLost if it does not answer any more. A call that is cancelled (or
        has had its time: asyncio.wait_for) leaves the connection as it was."""
        return await self._request(f"rpc:{self.client_id}:{next(self._numbers)}", method, list(args), kwargs)

    def add_attachment(self, data: Any) -> bytes:
        """For code written for wslink's first generation: there, bytes travel beside the message. Here they are simply part of it."""
        return bytes(data)

    async def _request(self, request_id: str, method: str, args: List[Any], kwargs: Dict[str, Any]) -> Any:
        if self._error:
            raise self._error
        future: "asyncio.Future[Any]" = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future, method
        try:
            payload = wire.pack(_plain({"wslink": "1.0", "id": request_id, "method": method, "args": args, "kwargs": kwargs}))
            sending = asyncio.ensure_future(self._send(payload))
            self._sending.add(sending)
            sending.add_done_callback(self._sent)
            # A call that is cancelled goes out to its end: the server would wait for the rest of half a message.
            await asyncio.shield(sending)
            return await future
        except ConnectionClosed as closed:
            raise wire.ConnectionLost(_why(closed)) from None
        finally:
            self._waiting.pop(request_id, None)
            if future.done() and not future.cancelled():
                future.exception()  # seen: a call that could not even be sent has failed already

    def _sent(self, sending: "asyncio.Future[None]") -> None:
        self._sending.discard(sending)
        if not sending.cancelled():
            sending.exception()  # seen: whoever still waits for the call hears it

    async def _send(self, payload: bytes) -> None:
        for frame in wire.chunks(payload, self._frame_limit):
            await self._socket.send(frame)

    # Topics

    async def subscribe(self, topic: str, callback: Callback, filter: Optional[Dict[str, Any]] = None) -> None:
        """Calls `callback(message)` for each publication on the topic. From the first subscription on, the connection gets nothing but
        what it has subscribed to and what it already listens to; `filter` names fields and the values that they must have."""
        self._listeners[topic].add(callback)
        if self._subscribed is None:
            self._subscribed = set()
            for other in [name for name, callbacks in self._listeners.items() if callbacks and name != topic]:
                await self._make_sure_of(other)
            if self.session_id:
                await self._make_sure_of("session.changed")
        self._subscribed.add(topic)
        await self.call("pubsub.subscribe", topic, filter or {})

    async def unsubscribe(self, topic: str, callback: Callback) -> None:
        self._listeners[topic].discard(callback)
        if not self._listeners[topic] and self._subscribed is not None and topic in self._subscribed:
            self._subscribed.discard(topic)
            await self.call("pubsub.unsubscribe", topic)

    def listen(self, *topics: str) -> "_Listening":
        """A context manager that yields the Publications on these topics, a queue. It only listens to what comes: see subscribe()."""
        return _Listening(self, topics)

    async def _make_sure_of(self, topic: str) -> None:
        """If the server sends only what was subscribed to: let the topic be among it."""
        if self._subscribed is not None and topic not in self._subscribed:
            self._subscribed.add(topic)
            await self.call("pubsub.subscribe", topic, {})

    # Reading

    async def _read(self) -> None:
        try:
            async for frame in self._socket:
                if isinstance(frame, bytes) and len(frame) > wire.HEADER.size:
                    message = self._assembler.feed(frame)
                    if message is not None:
                        self._receive(message)
            self._fail(wire.ConnectionLost("the server closed the connection"))
        except ConnectionClosed as closed:
            self._fail(wire.ConnectionLost(_why(closed)))
        except (ValueError, wire.msgpack.UnpackException) as broken:
            self._fail(wire.ConnectionLost(f"the server sent what cannot be read: {broken}"))

    def _receive(self, message: Dict[str, Any]) -> None:
        message_id = message.get("id", "")
        if message_id in self._waiting:
            future, method = self._waiting.pop(message_id)
            if not future.done():
                if "error" in message:
                    future.set_exception(wire.CallError(message["error"], method))
                else:
                    future.set_result(message.get("result"))
        elif message_id.startswith("publish:"):
            topic, result = message_id.split(":")[1], message.get("result")
            if topic == "session.changed" and isinstance(result, dict):
                self._next_file = max(self._next_file, result.get("next_file_id", 0))  # others open images, too
            for callback in list(self._listeners.get(topic, ())):
                try:
                    callback(result)
                except Exception as broken:  # a listener's mistake is not the connection's
                    context = {"message": f"a listener to {topic} failed", "exception": broken}
                    asyncio.get_running_loop().call_exception_handler(context)

    def _fail(self, error: Exception) -> None:
        self._error = error = self._error or error
        for queue in self._queues:
            queue.put_nowait(error)
        self._queues.clear()
        for future, _ in self._waiting.values():
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()

    # Images

    async def list_files(self, directory: str = "") -> Dict[str, Any]:
        """The answer to FILE_LIST_REQUEST as a map: `files`, `subdirectories` and more."""
        answer = await self.call("carta.file.list.request", {"directory": directory, "filter_mode": "Content"})
        _check(answer, "carta.file.list.request")
        return answer

    async def open(self, path: str, hdu: Union[str, int] = "") -> Image:
        """Opens an image below the server's folder; returns an Image."""
        directory, _, name = path.rpartition("/")
        if len(await self.call("session.connections")) > 1:
            # Images of others must not be replaced, and what is told of them may still be on its way.
            self._next_file = max(self._next_file, (await self.call("session.state"))["next_file_id"])
        file_id = self._next_file
        self._next_file += 1
        answer = await self.call("carta.open.file", {"directory": directory, "file": name, "hdu": str(hdu), "file_id": file_id, "render_mode": "RASTER"})
        _check(answer, "carta.open.file")
        return Image(self, file_id, answer)

    async def opened(self) -> Dict[int, Image]:
        """The images that are open in the session, also those that other connections opened: {file_id: Image}."""
        state = await self.call("session.state")
        return {file["file_id"]: Image(self, file["file_id"], file["open_file_ack"]) for file in state["files"]}


class _Listening:
    def __init__(self, client: Client, topics: Tuple[str, ...]) -> None:
        self._client, self._queue = client, Publications()
        self._callbacks: Dict[str, Callback] = {topic: self._taker(topic) for topic in topics}

    def _taker(self, topic: str) -> Callback:
        return lambda message: self._queue.put_nowait(Publication(topic, message))

    def __enter__(self) -> Publications:
        if self._client._error:
            self._queue.put_nowait(self._client._error)
        else:
            self._client._queues.add(self._queue)
        for topic, callback in self._callbacks.items():
            self._client._listeners[topic].add(callback)
        return self._queue

    def __exit__(self, *_: Any) -> None:
        self._client._queues.discard(self._queue)
        for topic, callback in self._callbacks.items():
            self._client._listeners[topic].discard(callback)


def _check(answer: Dict[str, Any], method: str) -> None:
    if not answer.get("success", True):
        raise wire.CallError({"code": -32001, "message": answer.get("message", "failed")}, method)


def _why(closed: ConnectionClosed) -> str:
    if closed.rcvd is None:
        return "the connection ended without a word"
    return f"the connection ended with code {closed.rcvd.code}" + (f": {closed.rcvd.reason}" if closed.rcvd.reason else "")


def _plain(value: Any) -> Any:
    """numpy's scalars and arrays as Python's own, since msgpack knows no other."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, numpy.ndarray):
        return value.tolist()
    if isinstance(value, numpy.generic):
        return value.item()
    return value
