"""Kept-alive connections of the live client, against a real server on the loopback."""

import asyncio

import httpcore

from tasks.http.connections import Connections

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_connection_whose_request_was_cut_off_is_not_used_again():
    handlers = {}

    async def serve(reader, writer):
        handlers[asyncio.current_task()] = writer
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(RESPONSE)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        connections = Connections(url, most=1)
        async with connections._take() as connection:
            await connection.handle_async_request(
                httpcore.Request("GET", url, headers=[("Host", "x")])
            )
        statuses = [(await connections.get("/")).status for _ in range(2)]
        await connections.close()
        await asyncio.gather(*handlers)
    assert (statuses, len(handlers)) == ([200, 200], 2)
