"""The awslogs driver: delivers the output of containers to CloudWatch Logs."""

import sys
import threading
import time
from collections import deque
from typing import Any, Final

from botocore.exceptions import ClientError

from sandbox.api.internal import internal_client
from sandbox.ecs.tasks.failure import StartFailed

__all__ = ["LogShipper", "Stream"]

_BATCH_SECONDS: Final = 0.5
_BATCH_EVENTS: Final = 2000
_BATCH_BYTES: Final = 900_000
"""PutLogEvents takes 1,048,576 bytes and 10,000 events."""
_EVENT_OVERHEAD: Final = 26
_LINE: Final = 64_000
"""Characters of a line in one event; PutLogEvents takes 262,144 bytes."""


class Stream:
    """One log stream; its lines are delivered in order."""

    def __init__(self, group: str, name: str, shipper: "LogShipper") -> None:
        self.group, self.name, self._shipper = group, name, shipper
        self.waiting: deque[dict[str, Any]] = deque()
        self.busy = False

    def write(self, line: str) -> None:
        """Add a line; empty ones are dropped, as CloudWatch Logs has no empty events."""
        if line.strip():
            at = int(time.time() * 1000)
            parts = [line[start : start + _LINE] for start in range(0, len(line), _LINE)]
            self._shipper.enqueue(self, [{"timestamp": at, "message": part} for part in parts])

    def take_batch(self) -> list[dict[str, Any]]:
        """Remove and return the events of the next PutLogEvents."""
        batch: list[dict[str, Any]] = []
        size = 0
        while self.waiting and len(batch) < _BATCH_EVENTS and size < _BATCH_BYTES:
            size += len(self.waiting[0]["message"].encode()) + _EVENT_OVERHEAD
            if size < _BATCH_BYTES or not batch:
                batch.append(self.waiting.popleft())
        return batch


class LogShipper:
    """Delivers the lines of every stream from one thread, in batches."""

    def __init__(self, endpoint_url: str) -> None:
        self._logs = internal_client(endpoint_url, "logs")
        self._changed = threading.Condition()
        self._streams: list[Stream] = []
        self._flushing = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ecs-logs", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def close(self) -> None:
        """Stop; undelivered lines are lost with the rest of the sandbox."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def open(self, container: dict[str, Any], task_id: str) -> Stream | None:
        """
        Create the log stream of a container; None when it does not use awslogs.

        Args:
            container: Its container definition.
            task_id: Its task's id, the last part of the stream's name.

        Raises:
            StartFailed: The log group does not exist.
        """
        configuration = container.get("logConfiguration") or {}
        if configuration.get("logDriver") != "awslogs":
            return None
        options = configuration.get("options", {})
        group = options.get("awslogs-group", "")
        name = f"{options.get('awslogs-stream-prefix', 'ecs')}/{container['name']}/{task_id}"
        try:
            if options.get("awslogs-create-group") == "true":
                self._create_group(group)
            self._logs.create_log_stream(logGroupName=group, logStreamName=name)
        except ClientError as error:
            reason = error.response["Error"]
            raise StartFailed(
                "ResourceInitializationError: failed to validate logger args: create stream has "
                "been retried 1 times: failed to create Cloudwatch log stream: "
                f"{reason['Code']}: {reason['Message']} : exit status 1"
            ) from error
        return Stream(group, name, self)

    def enqueue(self, stream: Stream, events: list[dict[str, Any]]) -> None:
        """Queue events for delivery."""
        with self._changed:
            stream.waiting.extend(events)
            if stream not in self._streams:
                self._streams.append(stream)
                self._changed.notify_all()

    def flush(self, stream: Stream) -> None:
        """Wait until every line of the stream has been delivered."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._closing.is_set() or not (stream.waiting or stream.busy)
            )
            self._flushing -= 1

    def _create_group(self, group: str) -> None:
        try:
            self._logs.create_log_group(logGroupName=group)
        except self._logs.exceptions.ResourceAlreadyExistsException:
            return

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._streams or self._closing.is_set())
                # Lines come in bursts, and every call costs milliseconds: after a short wait, one
                # call delivers many.
                self._changed.wait_for(
                    lambda: self._flushing or self._closing.is_set(), _BATCH_SECONDS
                )
                taken = [(stream, stream.take_batch()) for stream in self._streams]
                self._streams = [stream for stream in self._streams if stream.waiting]
                for stream, _ in taken:
                    stream.busy = True
            for stream, batch in taken:
                self._deliver(stream, batch)

    def _deliver(self, stream: Stream, batch: list[dict[str, Any]]) -> None:
        try:
            self._logs.put_log_events(
                logGroupName=stream.group, logStreamName=stream.name, logEvents=batch
            )
        except ClientError as error:
            # As with the real awslogs driver, the deletion of a log group must not end its tasks.
            print(
                f"sandbox: lost {len(batch)} lines of {stream.group} {stream.name}: {error}",
                file=sys.stderr,
            )
        finally:
            with self._changed:
                stream.busy = False
                self._changed.notify_all()
