"""What a run came to, in sentences."""

from collections.abc import Sequence
from typing import Final

from flows.record.outcome import Event, Outcome, TrafficOutcome
from flows.report.tables import weight_steps

__all__ = ["headline", "next_steps", "traffic_words"]

_NAMED: Final = 3


def headline(outcome: Outcome, events: Sequence[Event]) -> str:
    """For example `3 services moved, monolith drained, 14,211 requests, none failed`."""
    parts = [*_service_words(outcome, events), *_monolith_words(outcome)]
    if outcome.traffic:
        parts.append(traffic_words(outcome.traffic))
    match outcome.status:
        case "refused":
            return "Refused; nothing was changed"
        case "unchanged":
            return f"Nothing to do: {', '.join(parts) or 'everything is as configured'}"
        case "planned":
            return f"Planned for {_count(len(outcome.services), 'service')}; nothing was changed"
        case "failed" if not parts:
            return "Failed before anything was moved"
        case _:
            return ", ".join(parts)


def traffic_words(traffic: TrafficOutcome) -> str:
    """For example `14,211 requests, none failed`."""
    return (
        f"{_count(traffic.requests, 'request')}, "
        f"{f'{traffic.failed:,}' if traffic.failed else 'none'} failed"
    )


def next_steps(outcome: Outcome, events: Sequence[Event]) -> list[str]:
    """Where to look next, and what to do, most pressing first."""
    steps = [_after_failure(name, outcome, events) for name in _failed(outcome)]
    if outcome.status == "failed":
        steps.append(
            "Run the same command again once that is mended: what has settled is left alone."
        )
    if outcome.status == "refused":
        steps.append(
            "Nothing was changed: mend what the error names, and run the same command again."
        )
    if outcome.status == "planned":
        steps.append("Run the same command without --plan to carry it out.")
    if outcome.traffic and outcome.traffic.failed:
        steps.append("The HTML report lists the failed requests, with time, path and reason.")
    if outcome.traffic:
        steps.append("A rehearsal's AWS ends with it, unless --keep is given.")
        steps.append(
            "Your own monolith: python -m flows.split CONFIG --plan; README.md says what CONFIG "
            "holds."
        )
    elif outcome.status in ("completed", "failed", "unchanged") and outcome.services:
        if outcome.alb_url:
            steps.append(f"The listener answers at {outcome.alb_url}")
        steps.append("See where every path goes: python -m flows.status CONFIG")
        if any(service.weight for service in outcome.services.values()):
            steps.append("Give the paths back to the monolith: python -m flows.rollback CONFIG")
    return steps


def _service_words(outcome: Outcome, events: Sequence[Event]) -> list[str]:
    names = outcome.services
    by_stage = {
        stage: [name for name, service in names.items() if service.stage == stage]
        for stage in ("settled", "returned", "removed")
    }
    words = []
    if by_stage["settled"]:
        words.append(
            _share(len(by_stage["settled"]), len(names), _verb(by_stage["settled"], events))
        )
    if by_stage["returned"]:
        words.append(_share(len(by_stage["returned"]), len(names), "returned to the monolith"))
    if by_stage["removed"]:
        words.append(_share(len(by_stage["removed"]), len(names), "removed"))
    failed = _failed(outcome)
    returned = [name for name in failed if _had_traffic(name, events)]
    untouched = [name for name in failed if name not in returned]
    words += [f"{_names(untouched)} failed"] if untouched else []
    return words + ([f"{_names(returned)} went back to the monolith"] if returned else [])


def _verb(settled: Sequence[str], events: Sequence[Event]) -> str:
    """What a run did with the services; those that it found as they should be do not count."""
    shifted = weight_steps(events)
    rolled_out = {
        event.service for event in events if event.kind == "stage" and event.text == "rolling out"
    }
    redeployed = len(rolled_out & set(settled))
    verb = "moved" if any(name in shifted for name in settled) else "settled"
    return f"{verb} ({redeployed} redeployed)" if redeployed else verb


def _monolith_words(outcome: Outcome) -> list[str]:
    if outcome.monolith is None or outcome.status in ("planned", "refused"):
        return []
    return ["monolith drained" if outcome.monolith.drained else "monolith still running"]


def _failed(outcome: Outcome) -> list[str]:
    return [name for name, service in outcome.services.items() if service.stage == "failed"]


def _had_traffic(service: str, events: Sequence[Event]) -> bool:
    return any(weight > 0 for _, weight in weight_steps(events).get(service, ()))


def _after_failure(service: str, outcome: Outcome, events: Sequence[Event]) -> str:
    if outcome.services[service].weight == 100 and not _had_traffic(service, events):
        running = (outcome.services[service].task_definition or "nothing").rpartition("/")[2]
        return (
            f"{service}: it runs {running}; its events and its log say what is wrong with the new "
            "revision."
        )
    if _had_traffic(service, events):
        return (
            f"{service}: its gate verdicts say what went wrong under traffic; then its log in "
            "CloudWatch Logs."
        )
    return (
        f"{service}: no user has reached it; look at its ECS service events, then at its log "
        "in CloudWatch Logs."
    )


def _names(names: Sequence[str]) -> str:
    """By name, as long as that reads well."""
    if len(names) > _NAMED:
        return _count(len(names), "service")
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _share(part: int, whole: int, verb: str) -> str:
    return (
        f"{_count(part, 'service')} {verb}"
        if part == whole
        else f"{part} of {_count(whole, 'service')} {verb}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
