"""What the package raises of its own. All of it is a CubelinkError."""

from typing import Any, Dict, Optional

AUTHENTICATION = -32000
FAILED = -32001
BAD_ARGUMENTS = -32602
UNKNOWN_METHOD = -32601


class CubelinkError(Exception):
    """Base class of the package's exceptions."""


class CallError(CubelinkError):
    """The server refused a call, or could not do it: `code`, `message`, `data` as JSON-RPC has them, and `method`. `answer` is the ICD's
    answer where that said `success: false`, else None."""

    def __init__(self, error: Dict[str, Any], method: str = "", answer: Optional[Dict[str, Any]] = None) -> None:
        self.code: int = error.get("code", 0)
        self.message: str = error.get("message", "")
        self.data = error.get("data")
        self.method = method
        self.answer = answer
        detail = self.data.get("exception") if isinstance(self.data, dict) else None
        super().__init__(f"{method}: {self.message}" + (f": {detail}" if detail else "") + f" ({self.code})")


class AuthenticationError(CallError):
    """The server asks for a token, and none was given or it was a wrong one: the message says which."""


class ConnectionFailed(CubelinkError, ConnectionError):
    """No connection could be made."""


class ConnectionLost(CubelinkError, ConnectionError):
    """The connection ended while something still waited for it."""


class SessionNotFound(CubelinkError, LookupError):
    """There is no session with the id that was to be joined, or it may not be joined."""
