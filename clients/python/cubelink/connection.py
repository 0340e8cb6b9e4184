"""The connection: calls, topics, and coming back after a loss. For asyncio; all of it belongs to one event loop. Knows no images."""

import asyncio
import collections
import itertools
import os
import urllib.parse
from typing import Any, Callable, Coroutine, Dict, List, Optional, Set, Tuple

import numpy
import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from . import wire
from .errors import AUTHENTICATION, BAD_ARGUMENTS, FAILED, UNKNOWN_METHOD, AuthenticationError, CallError, ConnectionFailed, ConnectionLost, SessionNotFound
from .listening import Publication, Publications

Callback = Callable[[Any], Any]

RECONNECT = 300.0  # seconds for which a lost connection is tried again; half of the time that a server keeps a session by default
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between two attempts


class Address:
    """Where a server is. `url`: ws://host:port/ws, or the http://host:port/?token=… that it printed. Attributes: `websocket`, the address
    to connect to; `page`, that of the viewer, without the secret; `secret`."""

    def __init__(self, url: str, secret: Optional[str] = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if secret is None:
            secret = urllib.parse.parse_qs(parts.query).get("token", [os.environ.get("CUBELINK_AUTHKEY", "")])[0]
        self.secret = secret
        secure = {"http": "", "ws": "", "https": "s", "wss": "s"}.get(parts.scheme)
        if secure is None or not parts.netloc:
            raise ValueError(f"{url!r} is not an address of a server: expected ws://host:port/ws or http://host:port/")
        base = (parts.path[: -len("/ws")] if parts.path.endswith("/ws") else parts.path).rstrip("/")
        self.websocket = f"ws{secure}://{parts.netloc}{base}/ws"
        self.page = f"http{secure}://{parts.netloc}{base}/"


class Connection:
    """One connection to a server, registered as a viewer. Attributes: `client_id`, `session_id`, `user`, `address`.

    A lost connection is made again by itself, for `reconnect` seconds, and joins its session again. What was under way when it was lost
    raises ConnectionLost; calls that are made meanwhile wait; what was subscribed to is subscribed to again.

    Any other wslink server of the second generation does as well: then `session_id` stays 0, and there are calls and topics only."""

    def __init__(self, address: Address, session_id: int = 0, reconnect: float = RECONNECT, **options: Any) -> None:
        self.address = address
        self.client_id = ""
        self.session_id = session_id  # that is to be joined; then the one that was
        self.user: Dict[str, Any] = {}
        self._reconnect, self._options = reconnect, {"max_size": None, "compression": None, "open_timeout": 60, **options}
        self._socket: Any = None
        self._numbers = itertools.count()
        self._waiting: Dict[str, Tuple["asyncio.Future[Any]", str]] = {}  # id → (future, method)
        self._listeners: Dict[str, Set[Callback]] = collections.defaultdict(set)
        self._queues: "Set[_Listening]" = set()
        self._sending: Set["asyncio.Future[None]"] = set()
        self._frame_limit = wire.FIRST_LIMIT
        self._error: Optional[Exception] = None  # why the connection has ended for good
        self._subscribed: Optional[Dict[str, Dict[str, Any]]] = None  # {topic: filter} that the server was told of; None: it sends everything
        self._topics: Optional[Set[str]] = None  # that the server publishes, once they were asked for
        self._next_file = 0
        self._up = asyncio.Event()  # set while calls can be made, and when they never will be again
        self._keeper: "Optional[asyncio.Task[None]]" = None

    @property
    def connected(self) -> bool:
        """Whether calls are answered; False while a lost connection is made again."""
        return self._up.is_set() and self._error is None

    async def _start(self) -> None:
        """Connects; once. Raises ConnectionFailed, AuthenticationError, SessionNotFound."""
        try:
            reader = await self._begin()
        except BaseException:
            self._error = ConnectionLost("the connection was not made")
            if self._socket is not None:
                await self._socket.close(1000)
            raise
        self._keeper = asyncio.ensure_future(self._keep(reader))

    async def _begin(self) -> "asyncio.Task[ConnectionLost]":
        """Makes a connection and returns the task that reads from it, which ends with the reason of its end."""
        self._frame_limit = wire.FIRST_LIMIT
        try:
            self._socket = await websockets.connect(self.address.websocket, **self._options)  # type: ignore[attr-defined]
        except (OSError, InvalidHandshake, asyncio.TimeoutError) as failed:
            raise ConnectionFailed(f"no connection to {self.address.websocket}: {failed or 'it took too long'}") from failed
        reader = asyncio.ensure_future(self._read())
        try:
            await self._register()
        except BaseException:
            await self._socket.close(1000)
            await asyncio.wait([reader])
            raise
        self._up.set()
        return reader

    async def _register(self) -> None:
        try:
            hello = await self._request("system:c0:0", "wslink.hello", [{"secret": self.address.secret}], {})
        except CallError as error:
            if error.code != AUTHENTICATION:
                raise
            given = "the server refused the token" if self.address.secret else "the server asks for a token, and none was given"
            raise AuthenticationError({"code": error.code, "message": f"{error.message}: {given}"}, "wslink.hello") from None
        self.client_id = hello["clientID"]
        self._frame_limit = hello.get("maxMsgSize", wire.FRAME_LIMIT)
        wanted = self.session_id
        try:
            registered = await (self._call("session.join", wanted) if wanted else self._call("carta.register.viewer", {}))
        except CallError as error:
            if error.code == UNKNOWN_METHOD and not wanted:
                await self._subscribe_again()
                return  # no server of images
            if error.code == FAILED and wanted:
                raise SessionNotFound(f"there is no session {wanted} that could be joined: it has ended, or belongs to another user") from None
            raise
        self.session_id = registered["session_id"]
        self.user = {key: registered.get(key) for key in ("user_preferences", "user_layouts")}
        if wanted:
            self._next_file = max(self._next_file, (await self._call("session.state"))["next_file_id"])
        await self._subscribe_again()

    async def _subscribe_again(self) -> None:
        for topic, filter in (self._subscribed or {}).items():
            await self._call("pubsub.subscribe", topic, filter)

    async def _keep(self, reader: "asyncio.Task[ConnectionLost]") -> None:
        """Waits for the connection's end, and makes another one, until the time for that is over."""
        while True:
            lost = await asyncio.shield(reader)
            self._up.clear()
            self._lose(lost)
            again = await self._come_back(lost)
            if again is None:
                return
            reader = again

    async def _come_back(self, lost: Exception) -> "Optional[asyncio.Task[ConnectionLost]]":
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + self._reconnect, FIRST_PAUSE
        while self._error is None and loop.time() < until:
            try:
                return await asyncio.wait_for(self._begin(), max(1.0, until - loop.time()))
            except (ConnectionFailed, ConnectionLost, asyncio.TimeoutError):
                self._lose(lost)
                await asyncio.sleep(min(pause, max(0.0, until - loop.time())))
                pause = min(2 * pause, LONGEST_PAUSE)
            except Exception as refused:  # no time makes this better
                self._end(ConnectionLost(f"{lost}; it could not be made again: {refused}"))
                return None
        self._end(lost)
        return None

    async def wait_closed(self) -> Exception:
        """Waits until the connection has ended for good, and says why: a ConnectionLost."""
        assert self._keeper is not None
        await asyncio.wait([self._keeper])
        assert self._error is not None
        return self._error

    async def close(self) -> None:
        """Says good-bye: if this was the session's only connection, the session ends."""
        self._end(ConnectionLost("the connection was closed"))
        if self._socket is not None:
            await self._socket.close(1000)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    # Calls

    async def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a method and returns its result; bytes, numpy scalars and arrays (as lists) may stand anywhere in the arguments.
        Raises CallError if the server answers with an error or with `success: false`, ConnectionLost if it does not answer any more. A call
        that is cancelled (or has had its time: asyncio.wait_for) leaves the connection as it was, and the server is told to stop long work."""
        while not self._up.is_set() and self._error is None:
            await self._up.wait()
        return await self._call(method, *args, **kwargs)

    async def _call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        answer = await self._request(f"rpc:{self.client_id}:{next(self._numbers)}", method, list(args), kwargs)
        if method.startswith("carta.") and isinstance(answer, dict) and answer.get("success") is False:
            raise CallError({"code": FAILED, "message": answer.get("message") or "the server gave no reason"}, method, answer)
        return answer

    def add_attachment(self, data: Any) -> bytes:
        """For code written for wslink's first generation: there, bytes travel beside the message. Here they are simply part of it."""
        return bytes(data)

    async def _request(self, request_id: str, method: str, args: List[Any], kwargs: Dict[str, Any]) -> Any:
        if self._error:
            raise self._error
        future: "asyncio.Future[Any]" = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future, method
        sending: "Optional[asyncio.Future[None]]" = None
        try:
            payload = wire.pack(_plain({"wslink": "1.0", "id": request_id, "method": method, "args": args, "kwargs": kwargs}))
            sending = self._begin_sending(self._send(payload))
            # A call that is cancelled goes out to its end: the server would wait for the rest of half a message.
            await asyncio.shield(sending)
            return await future
        except ConnectionClosed as closed:
            raise ConnectionLost(_why(closed)) from None
        except asyncio.CancelledError:
            if sending is not None and self.session_id:
                self._begin_sending(self._cancel(request_id, sending))
            raise
        finally:
            self._waiting.pop(request_id, None)
            if future.done() and not future.cancelled():
                future.exception()  # seen: a call that could not even be sent has failed already

    async def _cancel(self, request_id: str, sending: "asyncio.Future[None]") -> None:
        """Has the server stop what a call asks for. Nobody waits for its answer."""
        await sending
        own_id = f"rpc:{self.client_id}:{next(self._numbers)}"
        await self._send(wire.pack({"wslink": "1.0", "id": own_id, "method": "session.cancel", "args": [request_id], "kwargs": {}}))

    def _begin_sending(self, work: Coroutine[Any, Any, None]) -> "asyncio.Future[None]":
        sending = asyncio.ensure_future(work)
        self._sending.add(sending)
        sending.add_done_callback(self._sent)
        return sending

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
        what it has subscribed to and what it already listens to; `filter` names fields and the values that they must have. Raises CallError
        if the server has no such topic."""
        await self._check_topic(topic)
        self._listeners[topic].add(callback)
        if self._subscribed is None:
            self._subscribed = {}
            for other in [name for name, callbacks in self._listeners.items() if callbacks and name != topic]:
                await self._make_sure_of(other)
            if self.session_id:
                await self._make_sure_of("session.changed")
        self._subscribed[topic] = dict(filter or {})
        await self.call("pubsub.subscribe", topic, filter or {})

    async def unsubscribe(self, topic: str, callback: Callback) -> None:
        """Ends what subscribe() began for this callback."""
        self._listeners[topic].discard(callback)
        if not self._listeners[topic] and self._subscribed is not None and topic in self._subscribed:
            self._subscribed.pop(topic, None)
            await self.call("pubsub.unsubscribe", topic)

    def listen(self, *topics: str) -> "_Listening":
        """A context manager that yields the Publications on these topics, a queue. It only listens to what comes: see subscribe()."""
        return _Listening(self, topics)

    async def _make_sure_of(self, topic: str) -> None:
        """If the server sends only what was subscribed to: let the topic be among it."""
        if self._subscribed is not None and topic not in self._subscribed:
            self._subscribed[topic] = {}
            await self.call("pubsub.subscribe", topic, {})

    async def _check_topic(self, topic: str) -> None:
        """Raises CallError if the server names its topics and this is none of them: nothing would ever come."""
        if self._topics is None:
            self._topics = set((await self.call("server.info"))["topics"]) if self.session_id else set()
        if self._topics and topic not in self._topics:
            raise CallError({"code": BAD_ARGUMENTS, "message": f"the server has no topic {topic!r}"}, "pubsub.subscribe")

    # Reading

    async def _read(self) -> ConnectionLost:
        assembler = wire.Assembler()
        lost = ConnectionLost("the server closed the connection")
        try:
            async for frame in self._socket:
                if isinstance(frame, bytes) and len(frame) > wire.HEADER.size:
                    message = assembler.feed(frame)
                    if message is not None:
                        self._receive(message)
        except ConnectionClosed as closed:
            lost = ConnectionLost(_why(closed))
        except wire.NOT_READABLE as broken:
            lost = ConnectionLost(f"the server sent what cannot be read: {broken}")
            await self._socket.close(1002)
        self._fail_calls(lost)
        return lost

    def _receive(self, message: Dict[str, Any]) -> None:
        message_id = message.get("id", "")
        if message_id in self._waiting:
            future, method = self._waiting.pop(message_id)
            if not future.done():
                if "error" in message:
                    future.set_exception(CallError(message["error"], method))
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

    def _fail_calls(self, error: Exception) -> None:
        for future, _ in self._waiting.values():
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()

    def _lose(self, error: Exception) -> None:
        """Tells whoever waits for something."""
        self._fail_calls(error)
        for listening in list(self._queues):
            listening.end(error)

    def _end(self, error: Exception) -> None:
        self._error = self._error or error
        self._lose(self._error)
        self._up.set()


class _Listening:
    def __init__(self, client: Connection, topics: Tuple[str, ...]) -> None:
        self._client, self._queue = client, Publications()
        self._callbacks: Dict[str, Callback] = {topic: self._taker(topic) for topic in topics}

    def _taker(self, topic: str) -> Callback:
        return lambda message: self._queue.put_nowait(Publication(topic, message))

    def __enter__(self) -> Publications:
        for topic, callback in self._callbacks.items():
            self._client._listeners[topic].add(callback)
        self._client._queues.add(self)
        if self._client._error:
            self.end(self._client._error)
        return self._queue

    def __exit__(self, *_: Any) -> None:
        self._client._queues.discard(self)
        for topic, callback in self._callbacks.items():
            self._client._listeners[topic].discard(callback)

    def end(self, error: Exception) -> None:
        """Nothing comes after the error: what was published between two connections is not known."""
        self.__exit__()
        self._queue.put_nowait(error)


def _why(closed: ConnectionClosed) -> str:
    if closed.rcvd is None:
        return "connection lost (no close frame)"
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
