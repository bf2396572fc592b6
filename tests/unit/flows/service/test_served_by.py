"""Whether it is known which target group answered the requests of a verification."""

from types import SimpleNamespace

import httpx
import pytest

from config.errors import CheckFailed
from flows.service.proof import served_by as module
from flows.service.proof.served_by import ServedBy
from flows.service.step.monolith_requests import sent_to_monolith
from tasks.http.client import PREVIEW_HEADER, Response, Route
from tasks.http.nonce import nonce_of
from tasks.http.request import Request

CART = Request("/cart")
PREVIEW = Route("http://alb", {PREVIEW_HEADER: "secret.preview"})


def answer(backend=None, status=200, body=b"", **headers):
    named = {"X-Backend": backend} if backend else {}
    return Response(status, httpx.Headers({**named, **headers}), body)


@pytest.fixture
def verification(monkeypatch):
    """A verification of cart, whose target group counts what the test says."""
    monkeypatch.setattr(module, "_UNTIL_COUNTED", 0.0)
    events = []
    counts = [0]

    async def call(*_):
        return counts.pop(0) if len(counts) > 1 else counts[0]

    monkeypatch.setattr(module, "call", call)
    monkeypatch.setattr(module, "emit", lambda *event, **_: events.append(event))

    def start(header="X-Backend", preview=PREVIEW, **arguments):
        placement = SimpleNamespace(
            name="cart",
            config=SimpleNamespace(listener=SimpleNamespace(backend_header=header)),
            service=SimpleNamespace(target_group="cart-tg"),
            discovered=SimpleNamespace(alb_url="http://alb", balancer_url="http://own"),
            gates=SimpleNamespace(metrics_period=0.01, metrics_lag=0),
            metrics_of=lambda arn: arn,
            target_group_arn="arn:cart",
            aws=None,
            preview=preview,
            control=Route("http://alb", {PREVIEW_HEADER: "secret.control"}),
            requests=[CART],
        )
        return ServedBy(placement, **arguments)

    start.counts, start.events = counts, events
    return start


def send(served_by, preview, control=()):
    for response in preview:
        served_by.preview.record(CART, response)
    for response in control:
        served_by.control.record(CART, response)


async def test_what_the_service_names_itself_in_is_known_without_waiting(verification):
    served_by = verification()
    send(served_by, [answer("cart")] * 3, [answer("shop")])
    await served_by.verify()
    assert verification.events == []


async def test_one_answer_of_the_monolith_among_the_services_is_named(verification):
    served_by = verification()
    send(served_by, [answer("cart"), answer("shop")], [answer("shop")])
    with pytest.raises(CheckFailed, match="cart: GET /cart: answered by the monolith"):
        await served_by.verify()


async def test_a_service_that_was_never_asked_is_named_with_both_counts(verification):
    served_by = verification(header=None)
    send(served_by, [answer()] * 5)
    with pytest.raises(CheckFailed, match=r"5 requests .* cart-tg counted 0") as failed:
        await served_by.verify()
    assert failed.value.numbers == {"sent": 5, "counted": 0}


async def test_a_header_with_the_same_name_on_both_routes_shows_nothing(verification):
    served_by = verification()
    send(served_by, [answer("nginx")], [answer("nginx")])
    with pytest.raises(CheckFailed, match="counted 0"):
        await served_by.verify()


async def test_an_answer_without_the_header_is_known_only_by_the_count(verification):
    served_by = verification()
    send(served_by, [answer("cart"), answer()], [answer("shop")])
    with pytest.raises(CheckFailed, match="counted 0"):
        await served_by.verify()


async def test_a_count_that_comes_late_is_waited_for(verification):
    verification.counts[:] = [0, 3, 5]
    served_by = verification(header=None)
    send(served_by, [answer()] * 5)
    served_by._placement.gates.metrics_lag = 10
    await served_by.verify()
    assert verification.events == [("check", "cart", "served by: cart-tg counted 5 of 5 sent")]


async def test_what_no_target_got_is_not_expected_in_the_count(verification):
    verification.counts[:] = [1]
    served_by = verification(header=None)
    nonce = answer(body=nonce_of(PREVIEW).encode())
    send(served_by, [answer(), answer(status=503), answer(status=0), nonce])
    await served_by.verify()


@pytest.mark.parametrize("header", [{"X-Cache": "Hit from cloudfront"}, {"CF-Cache-Status": "HIT"}])
async def test_an_answer_from_a_cache_is_nobodys(verification, header):
    served_by = verification()
    send(served_by, [answer("cart")], [answer("shop", **header)])
    with pytest.raises(CheckFailed, match="a cache before the load balancer"):
        await served_by.verify()


async def test_without_requests_there_is_nothing_to_know(verification):
    await verification().verify()
    assert verification.events == []


async def test_a_service_without_a_target_was_not_asked(verification):
    served_by = verification(header=None)
    send(served_by, [answer(status=503)] * 3)
    with pytest.raises(CheckFailed, match="counted 0"):
        await served_by.verify()


async def test_on_the_public_route_an_answer_of_the_monolith_is_named(verification):
    served_by = verification(preview=Route("http://alb"), where="on the public route")
    send(served_by, [answer("cart"), answer("shop")], [answer("shop")])
    with pytest.raises(CheckFailed, match="answered by the monolith on the public route"):
        await served_by.verify()


async def test_where_the_monolith_is_not_named_only_the_count_shows_who_answered(verification):
    served_by = verification()
    send(served_by, [answer("somebody")] * 2, [answer()])
    with pytest.raises(CheckFailed, match="counted 0"):
        await served_by.verify()
    assert "X-Backend does not name the monolith" in verification.events[0][2]


async def test_parity_that_the_monolith_fails_is_counted_among_the_tools_own(verification):
    served_by = verification()
    failure = Response(500, at=1.0)
    send(served_by, [answer("cart")], [failure] * 3)
    sent = [window.failed for window in sent_to_monolith(0.0, 2.0)]
    assert (sent, [window.failed for window in sent_to_monolith(2.0, 4.0)]) == ([3], [0])
