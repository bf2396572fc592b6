"""The AWS endpoint: what happens to a call on its way to moto and back."""

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Request, Response

from sandbox.api.call import Call, Handler, read_call
from sandbox.api.errors import AwsError
from sandbox.api.faults import Faults, InvalidFaults, parse_faults
from sandbox.api.record import Record

__all__ = ["AwsEndpoint"]

_FAULTS_PATH: Final = "/_sandbox/faults"
_JSON_TYPE: Final = "application/x-amz-json-1.1"
_INJECTED: Final = {
    "throttle": AwsError("ThrottlingException", "Rate exceeded"),
    "error": AwsError("InternalFailure", "An internal error occurred", 500),
    "deny": AwsError("AccessDeniedException", "User is not authorized to perform this action", 403),
}
_QUERY_THROTTLE: Final = AwsError("Throttling", "Rate exceeded")
_QUERY_SERVICES: Final = ("elbv2", "ec2", "iam", "cloudwatch")
_ERROR_CODE: Final = re.compile(rb'<Code>([^<]+)</Code>|"__type": ?"(?:[^"#]*#)?([^"]+)"')


class AnswerLost(Exception):
    """Raised to break the client's connection instead of answering it."""


class AwsEndpoint:
    """
    Answers every AWS API.

    Args:
        handlers: By service, called in order: each answers a call itself, refuses it with
            `AwsError`, or returns None to leave it to the next one and at last to moto.
        after: Called after each successful mutating call, before it is answered.
        faults: What goes wrong.
        record: Where users' calls are recorded.
    """

    def __init__(
        self,
        handlers: Mapping[str, Sequence[Handler]],
        after: Sequence[Callable[[Call], None]],
        faults: Faults,
        record: Record,
    ) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._handlers, self._after = handlers, after
        self._faults, self._record = faults, record
        # moto checks and then acts without a lock. A handler may therefore make reading calls, but
        # no mutating ones.
        self._mutating = threading.RLock()

    def answer(self, request: Request) -> Response:
        """Answer a request: an AWS call, or one about the faults."""
        if request.path == _FAULTS_PATH:
            return self._answer_faults(request)
        call = read_call(request)
        if call.internal:
            return self._carry_out(call, request)
        try:
            return self._answer_user(call, request)
        except AnswerLost:
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError from None

    def _answer_user(self, call: Call, request: Request) -> Response:
        if self._faults.plan.slow:
            time.sleep(self._faults.plan.slow)  # the delay is the fault that was asked for
        injected = self._faults.before(call)
        if injected:
            error = _injected_error(injected, call)
            self._record.add(call, error.status, error.code)
            return _error_response(request, error)
        response = self._carry_out(call, request)
        self._record.add(call, response.status_code, _error_code(response))
        self._faults.hold(call)
        if self._faults.loses(call):
            raise AnswerLost
        return response

    def _carry_out(self, call: Call, request: Request) -> Response:
        with self._mutating if call.mutating else contextlib.nullcontext():
            try:
                answer = self._ask_handlers(call)
            except AwsError as error:
                return _error_response(request, error)
            response = self._ask_moto(call, request) if answer is None else _json_response(answer)
            if call.mutating and response.status_code < 300:
                for after in self._after:
                    after(call)
            return response

    def _ask_handlers(self, call: Call) -> dict[str, Any] | None:
        for handler in self._handlers.get(call.service, ()):
            answer = handler(call)
            if answer is not None:
                return answer
        return None

    def _ask_moto(self, call: Call, request: Request) -> Response:
        response = Response.from_app(self._moto, request.environ, buffered=True)
        page = response.get_data().lstrip()[:5].lower()
        if response.status_code == 500 and page in (b"<!doc", b"<html"):
            # moto does not have the action, and answers with a page that boto3 cannot read.
            missing = f"{call.action} is not part of this sandbox"
            return _error_response(request, AwsError("NotImplemented", missing, 501))
        return response

    def _answer_faults(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self._faults.set(parse_faults(request.get_data(as_text=True)))
            except InvalidFaults as error:
                return Response(str(error), 400)
        state = {"faults": self._faults.plan.spec, "holding": self._faults.holding}
        return Response(json.dumps(state), content_type="application/json")


def _injected_error(kind: str, call: Call) -> AwsError:
    if kind == "throttle" and call.service in _QUERY_SERVICES:
        return _QUERY_THROTTLE
    return _INJECTED[kind]


def _json_response(answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer, default=_epoch_seconds), content_type=_JSON_TYPE)


def _epoch_seconds(moment: datetime) -> float:
    """AWS's JSON protocol writes times as epoch seconds."""
    return moment.timestamp()


def _error_response(request: Request, error: AwsError) -> Response:
    """The error in the protocol of the request."""
    if request.headers.get("X-Amz-Target"):
        body = json.dumps({"__type": error.code, "message": str(error)})
        headers = {"x-amzn-errortype": error.code}
        return Response(body, error.status, headers, content_type=_JSON_TYPE)
    text = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(str(error))}</Message></Error><RequestId>sandbox</RequestId></ErrorResponse>"
    )
    return Response(text, error.status, content_type="text/xml")


def _error_code(response: Response) -> str | None:
    if response.status_code < 300:
        return None
    code = response.headers.get("x-amzn-errortype")
    if code:
        return code
    found = _ERROR_CODE.search(response.get_data())
    return (found[1] or found[2]).decode() if found else None
