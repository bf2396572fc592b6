"""The AWS endpoint: an HTTP server in front of moto."""

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.api.call import Call, read_call
from sandbox.api.faults import Faults, InvalidFaults, parse_faults
from sandbox.api.port import listen
from sandbox.api.record import Record

__all__ = ["AwsError", "ControlPlane"]

StartResponse = Callable[..., Any]
Handler = Callable[[Call], dict[str, Any] | None]

_FAULTS_PATH: Final = "/_sandbox/faults"
_JSON_TYPE: Final = "application/x-amz-json-1.1"
_INJECTED: Final = {
    "throttle": (400, "ThrottlingException", "Rate exceeded"),
    "error": (500, "InternalFailure", "An internal error occurred"),
    "deny": (403, "AccessDeniedException", "User is not authorized to perform this action"),
}
_ELB_THROTTLE: Final = "Throttling"
_POLL: Final = 0.05
"""Seconds within which the server sees that it is to end."""


class AwsError(Exception):
    """An error that a handler answers with, in AWS's code and words."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class _Connection(WSGIRequestHandler):
    """Keeps connections alive, and does not log every request."""

    protocol_version = "HTTP/1.1"
    # Headers and body leave as two segments, and Nagle's algorithm would hold the second back for
    # 40 ms.
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Say nothing: the record is the log."""


class ControlPlane:
    """
    Serves every AWS API on one port of 127.0.0.1.

    Args:
        port: 0 for any free one.
        handlers: By service, asked in turn: each answers a call itself, refuses it with `AwsError`,
            or returns None to leave it to the next one, in the end to moto.
        after: Called after each successful mutating call, before it is answered.
        faults: What goes wrong.
        record: Where users' calls are written down.

    Raises:
        PortTaken: The port cannot be had.
    """

    def __init__(
        self,
        port: int,
        handlers: Mapping[str, Sequence[Handler]],
        after: Sequence[Callable[[Call], None]],
        faults: Faults,
        record: Record,
    ) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._handlers, self._after, self._faults, self._record = handlers, after, faults, record
        # moto checks and then acts without a lock; a handler may therefore make reading calls, but
        # no changing ones.
        self._changing = threading.RLock()
        # A socket of ours: werkzeug's own way of dealing with a taken port is to end the program.
        with listen(port) as listening:
            self._server: BaseWSGIServer = make_server(
                "127.0.0.1",
                port,
                self._answer,
                threaded=True,
                request_handler=_Connection,
                fd=listening.fileno(),
            )
        self.endpoint_url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name="aws-endpoint", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._faults.set(parse_faults(""))
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._record.close()

    def _answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == _FAULTS_PATH:
            return self._answer_faults(environ, start_response)
        call = read_call(environ)
        if call.internal:
            status, headers, body = self._carry_out(call, environ)
        else:
            status, headers, body = self._answer_user(call, environ)
        if status == 0:
            # The answer is lost: the client sees its connection break.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError
        start_response(f"{status} -", headers)
        return [body]

    def _answer_user(
        self, call: Call, environ: dict[str, Any]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        if self._faults.plan.slow:
            time.sleep(self._faults.plan.slow)
        injected = self._faults.before(call)
        if injected:
            status, code, message = _INJECTED[injected]
            if injected == "throttle" and call.service in ("elbv2", "ec2", "iam", "cloudwatch"):
                code = _ELB_THROTTLE
            self._record.add(call, status, code)
            return _error(environ, AwsError(code, message, status))
        status, headers, body = self._carry_out(call, environ)
        self._record.add(call, status, _error_code(status, headers, body))
        self._faults.hold(call)
        if self._faults.loses(call):
            return 0, [], b""
        return status, headers, body

    def _carry_out(
        self, call: Call, environ: dict[str, Any]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        with self._changing if call.mutating else contextlib.nullcontext():
            try:
                own = self._ask_handlers(call)
            except AwsError as error:
                return _error(environ, error)
            if own is not None:
                answer = (
                    200,
                    [("Content-Type", _JSON_TYPE)],
                    json.dumps(own, default=_timestamp).encode(),
                )
            else:
                answer = self._ask_moto(call, environ)
            if call.mutating and answer[0] < 300:
                for after in self._after:
                    after(call)
            return answer

    def _ask_handlers(self, call: Call) -> dict[str, Any] | None:
        answers = (handler(call) for handler in self._handlers.get(call.service, ()))
        return next((answer for answer in answers if answer is not None), None)

    def _ask_moto(
        self, call: Call, environ: dict[str, Any]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        seen: dict[str, Any] = {}

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            seen["status"], seen["headers"] = int(status.split(maxsplit=1)[0]), headers

        body = b"".join(self._moto(environ, start))
        if seen["status"] == 500 and body.lstrip()[:5].lower() in (b"<!doc", b"<html"):
            # moto does not have the action: AWS has no such page, and boto3 cannot read it.
            return _error(
                environ,
                AwsError("NotImplemented", f"{call.action} is not part of this sandbox", 501),
            )
        return seen["status"], seen["headers"], body

    def _answer_faults(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        status = "200 OK"
        if environ["REQUEST_METHOD"] == "PUT":
            spec = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
            try:
                self._faults.set(parse_faults(spec))
            except InvalidFaults as error:
                start_response("400 Bad Request", [("Content-Type", "text/plain")])
                return [str(error).encode()]
        start_response(status, [("Content-Type", "application/json")])
        return [
            json.dumps({"faults": self._faults.plan.spec, "holding": self._faults.holding}).encode()
        ]


def _timestamp(value: Any) -> float:
    """AWS's JSON protocol writes times as epoch seconds."""
    return float(value.timestamp())


def _error(environ: dict[str, Any], error: AwsError) -> tuple[int, list[tuple[str, str]], bytes]:
    """An error in the protocol that the request came in."""
    if environ.get("HTTP_X_AMZ_TARGET"):
        body = json.dumps({"__type": error.code, "message": str(error)}).encode()
        return error.status, [("Content-Type", _JSON_TYPE), ("x-amzn-errortype", error.code)], body
    text = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(str(error))}</Message></Error><RequestId>sandbox</RequestId></ErrorResponse>"
    )
    return error.status, [("Content-Type", "text/xml")], text.encode()


def _error_code(status: int, headers: list[tuple[str, str]], body: bytes) -> str | None:
    if status < 300:
        return None
    for name, value in headers:
        if name.lower() == "x-amzn-errortype":
            return value
    found = re.search(rb'<Code>([^<]+)</Code>|"__type": ?"(?:[^"#]*#)?([^"]+)"', body)
    return (found[1] or found[2]).decode() if found else None
