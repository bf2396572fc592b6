"""A run of three services, 90 seconds and 250 requests a second; the same every time."""

import random
from collections.abc import Iterator

from flows.record.outcome import Event, MonolithOutcome, Outcome, ServiceOutcome, TrafficOutcome
from flows.report.client_log import LoggedRequest

START = 1_795_000_000.0
LENGTH = 90.0
RATE = 250
SERVICES = ("users", "posts", "threads")
_STEPS = ((0.0, 10), (8.0, 50), (17.0, 100))
_SHIFTS = {"users": 21.0, "posts": 23.5, "threads": 27.0}
DRAIN = 66.0


def at(seconds: float) -> float:
    return START + seconds


def events(failing: str | None = None) -> list[Event]:
    """The events of the run; `failing` breaches its gate at 50%."""
    found: list[Event] = []
    for name, shift in _SHIFTS.items():
        found += _prelude(name, shift)
        found += _shift_failing(name, shift) if name == failing else _shift(name, shift)
    if failing:
        found.append(
            Event(at(62), "drain", None, f"forum-monolith is not drained: {failing} failed")
        )
    else:
        found += [
            Event(
                at(54), "drain", None, "waiting until forum-monolith has had no request for 12 s"
            ),
            Event(at(DRAIN), "drain", None, "forum-monolith: desired count 2 -> 0"),
            Event(at(74), "drain", None, "forum-monolith is drained: 0 tasks, all checks pass"),
        ]
    return sorted(found, key=lambda event: event.at)


def _prelude(name: str, shift: float) -> list[Event]:
    return [
        Event(at(2), "stage", name, "preparing"),
        Event(at(shift - 12), "stage", name, "placing"),
        Event(at(shift - 9), "stage", name, "proving"),
        Event(at(shift - 2), "check", name, "4/4 checks pass on the preview route", verdict="pass"),
        Event(
            at(shift - 1),
            "check",
            name,
            "parity: 6/6 responses match",
            verdict="pass",
            numbers={"differences": []},
        ),
        Event(at(shift - 0.1), "stage", name, "shifting"),
    ]


def _shift(name: str, shift: float) -> list[Event]:
    found = []
    for after, weight in _STEPS:
        found += [_weight(name, shift + after, weight), *_verdicts(name, shift + after + 7, weight)]
    return [
        *found,
        Event(at(shift + 24.5), "stage", name, "settling"),
        Event(at(shift + 26), "stage", name, "settled"),
    ]


def _shift_failing(name: str, shift: float) -> list[Event]:
    breach = "5xx rate 0.083 is above 0.01 (cloudwatch)"
    error = (
        f"{name} failed at weight 50%; its traffic is back on the monolith; see its log\n  "
        f"errors: {breach}"
    )
    return [
        _weight(name, shift, 10),
        *_verdicts(name, shift + 7, 10),
        _weight(name, shift + 8, 50),
        Event(
            at(shift + 12),
            "verdict",
            name,
            breach,
            50,
            "fail",
            {"source": "cloudwatch", "requests": 168, "failed": 14},
        ),
        Event(at(shift + 12.2), "weight", name, "weight 0%: a gate failed", 0),
        Event(at(shift + 14), "note", name, "no requests reach it any more"),
        Event(at(shift + 14.5), "stage", name, "failed", numbers={"error": error}),
    ]


def _weight(name: str, seconds: float, weight: int) -> Event:
    return Event(at(seconds), "weight", name, f"weight {weight}%", weight)


def _verdicts(name: str, seconds: float, weight: int) -> list[Event]:
    numbers = {"source": "cloudwatch", "requests": 58 * weight // 10, "failed": 0, "5xx rate": 0.0}
    latency = {"source": "probes", "p95": 0.0114, "monolith p95": 0.0172, "ratio": 0.6628}
    return [
        Event(at(seconds), "verdict", name, "5xx rate 0 is within 0.01", weight, "pass", numbers),
        Event(
            at(seconds),
            "verdict",
            name,
            "p95 ratio 0.66 is within 2",
            weight,
            "pass",
            latency,
        ),
    ]


def answers(failing: str | None = None) -> Iterator[LoggedRequest]:
    """The live client's log: at 50% one request in twelve of the `failing` service is a 503."""
    chance = random.Random(7)  # noqa: S311 - nothing secret
    for number in range(int(LENGTH * RATE)):
        t = number / RATE
        name = SERVICES[number % len(SERVICES)]
        moved = chance.random() * 100 < _weight_at(name, t, failing)
        latency = chance.lognormvariate(-5.2 if moved else -4.6, 0.45)
        broken = moved and name == failing and t > _SHIFTS[name] + 8 and chance.random() < 1 / 12
        status = 503 if broken else 200
        yield LoggedRequest(at(t), f"/{name}", status, name if moved else "monolith", latency, None)


def _weight_at(name: str, t: float, failing: str | None) -> int:
    steps = [weight for after, weight in _STEPS if _SHIFTS[name] + after <= t]
    if name == failing and t > _SHIFTS[name] + 12.2:
        return 0
    return steps[-1] if steps else 0


def outcome(traffic: TrafficOutcome, failing: str | None = None) -> Outcome:
    """The result of the run."""
    error = (
        f"1 of 3 services failed ({failing}); forum-monolith serves what was not moved"
        if failing
        else None
    )
    return Outcome(
        status="failed" if failing else "completed",
        engine="docker 27.3.1",
        services={name: _service(name, failed=name == failing) for name in SERVICES},
        monolith=MonolithOutcome(
            service="forum-monolith", desired_count=2 if failing else 0, drained=failing is None
        ),
        traffic=traffic,
        alb_url="http://127.92.128.1:8080",
        error=error,
    )


def _service(name: str, *, failed: bool) -> ServiceOutcome:
    digest = "9f2c1b7e4a6d8035c1e97b42d5f60a8e7c3b1d94f2a6e8075b3c9d1f4e6a8b02"
    return ServiceOutcome(
        stage="failed" if failed else "settled",
        weight=0 if failed else 100,
        healthy_targets=2,
        image=f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{name}@sha256:{digest}",
        task_definition=f"arn:aws:ecs:us-east-1:123456789012:task-definition/{name}:3",
    )
