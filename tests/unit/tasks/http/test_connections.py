"""Kept-alive connections: which of them are used again."""

import pytest

from tasks.http.connections import Connections


class Connection:
    """As httpcore's, in the middle of a response after a request that was cancelled."""

    def __init__(self):
        self.idle, self.closed = True, False

    async def request(self, *_, **__):
        self.idle = False
        raise TimeoutError

    def is_idle(self):
        return self.idle

    def is_closed(self):
        return self.closed

    def has_expired(self):
        return False

    async def aclose(self):
        self.closed = True


async def test_a_connection_whose_request_was_cancelled_is_not_used_again(monkeypatch):
    made = []

    def new(_):
        made.append(Connection())
        return made[-1]

    monkeypatch.setattr(Connections, "_new", new)
    connections = Connections("http://127.0.0.1:8080", most=1)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await connections.get("/")
    assert [connection.closed for connection in made] == [True, True]
