"""A run's result in sentences: the headline, and what to do next."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from flows.record.outcome import Event, Outcome, ServiceOutcome, TrafficOutcome
from flows.report.timeline import weight_steps

__all__ = ["headline", "next_steps"]

_NAMED: Final = 3
_APPLIED: Final = ("completed", "failed", "unchanged")


def headline(outcome: Outcome, events: Sequence[Event]) -> str:
    """For example `3 services moved, monolith drained, 14,211 requests, none failed`."""
    result = ", ".join(_Result(outcome, events).parts())

    match outcome.status:
        case "refused":
            return "Refused; nothing was changed"
        case "planned":
            services = _count(len(outcome.services), "service")
            return f"Plan for {services}; nothing was changed"
        case "unchanged":
            return f"Nothing to do: {result or 'AWS matches the config'}"
        case "failed":
            return result or "Failed before any service was moved"
        case "completed":
            return result or "Completed"


def next_steps(outcome: Outcome, events: Sequence[Event]) -> list[str]:
    """What to look at and what to do, most urgent first."""
    result = _Result(outcome, events)
    steps = [result.after_failure(name) for name in result.in_stage("failed")]

    if outcome.status in _ADVICE:
        steps.append(_ADVICE[outcome.status])

    steps += _where_to_look(outcome)
    return steps


@dataclass(frozen=True)
class _Result:
    outcome: Outcome
    events: Sequence[Event]

    def parts(self) -> Iterator[str]:
        """The parts of the headline."""
        yield from self._succeeded()
        yield from self._failed()
        yield from self._monolith()
        yield from self._traffic()

    def _succeeded(self) -> Iterator[str]:
        settled = self.in_stage("settled")
        if settled:
            yield self._share(settled, self._settled_verb(settled))

        returned = self.in_stage("returned")
        if returned:
            yield self._share(returned, "rolled back to the monolith")

        removed = self.in_stage("removed")
        if removed:
            yield self._share(removed, "removed")

    def _failed(self) -> Iterator[str]:
        untouched = self._failed_names(had_traffic=False)
        if untouched:
            yield f"{_names(untouched)} failed"

        rolled_back = self._failed_names(had_traffic=True)
        if rolled_back:
            yield f"{_names(rolled_back)} rolled back to the monolith"

    def _failed_names(self, *, had_traffic: bool) -> list[str]:
        failed = self.in_stage("failed")
        return [name for name in failed if self._had_traffic(name) is had_traffic]

    def _monolith(self) -> Iterator[str]:
        monolith = self.outcome.monolith
        if monolith:
            yield "monolith drained" if monolith.drained else "monolith still running"

    def _traffic(self) -> Iterator[str]:
        traffic = self.outcome.traffic
        if traffic:
            yield _count(traffic.requests, "request")
            yield _failures(traffic.failed)

    def after_failure(self, name: str) -> str:
        """What to look at after a service failed."""
        service = self.outcome.services[name]
        if self._had_traffic(name):
            return (
                f"{name}: see its gate verdicts for what failed under traffic, then its log in "
                "CloudWatch Logs."
            )
        if service.weight == 100:
            return (
                f"{name}: still runs {_revision(service)}; its ECS service events and its log in "
                "CloudWatch Logs show why the new revision failed."
            )
        return (
            f"{name}: received no traffic; see its ECS service events, then its log in CloudWatch "
            "Logs."
        )

    def in_stage(self, stage: str) -> list[str]:
        """Names of the services that ended in this stage."""
        services = self.outcome.services
        return [name for name in services if services[name].stage == stage]

    def _settled_verb(self, settled: Sequence[str]) -> str:
        """What the run did to the services that settled."""
        shifted = weight_steps(self.events)
        verb = "moved" if shifted.keys() & settled else "settled"

        redeployed = self._rolled_out().intersection(settled)
        if not redeployed:
            return verb
        return f"{verb} ({len(redeployed)} redeployed)"

    def _rolled_out(self) -> set[str | None]:
        return {
            event.service
            for event in self.events
            if event.kind == "stage" and event.text == "rolling out"
        }

    def _had_traffic(self, name: str) -> bool:
        steps = weight_steps(self.events).get(name, [])
        return any(step.weight > 0 for step in steps)

    def _share(self, names: Sequence[str], verb: str) -> str:
        """`3 services moved`, `2 of 3 services moved`."""
        whole = len(self.outcome.services)
        services = _count(whole, "service")
        if len(names) == whole:
            return f"{services} {verb}"
        return f"{len(names)} of {services} {verb}"


_ADVICE: Final = {
    "failed": "Fix the cause and run the same command again; services that have settled are left "
    "alone.",
    "refused": "Fix the error and run the same command again.",
    "planned": "Run the same command without --plan to apply the plan.",
}
"""By status."""


def _where_to_look(outcome: Outcome) -> Iterable[str]:
    """Only a rehearsal has a live client, and with it traffic."""
    if outcome.traffic:
        return _after_rehearsal(outcome.traffic)
    if outcome.services and outcome.status in _APPLIED:
        return _on_aws(outcome)
    return []


def _after_rehearsal(traffic: TrafficOutcome) -> Iterator[str]:
    if traffic.failed:
        yield "The HTML report lists the failed requests with time, path and reason."
    yield "The sandbox stops with the rehearsal unless --keep is given."
    yield (
        "To split your own monolith: python -m flows.split CONFIG --plan; README.md describes "
        "CONFIG."
    )


def _on_aws(outcome: Outcome) -> Iterator[str]:
    if outcome.alb_url:
        yield f"Load balancer: {outcome.alb_url}"
    yield "Show routing and drift: python -m flows.status CONFIG"

    services = outcome.services.values()
    if any(service.weight for service in services):
        yield "Roll back to the monolith: python -m flows.rollback CONFIG"


def _revision(service: ServiceOutcome) -> str:
    """`users:2`, from the ARN of its task definition."""
    arn = service.task_definition or "no revision"
    return arn.rpartition("/")[2]


def _failures(failed: int) -> str:
    """`none failed`, `1,204 failed`."""
    if not failed:
        return "none failed"
    return f"{failed:,} failed"


def _names(names: Sequence[str]) -> str:
    """By name, as long as that reads well."""
    if len(names) > _NAMED:
        return _count(len(names), "service")

    *others, last = names
    if not others:
        return last
    return f"{', '.join(others)} and {last}"


def _count(number: int, noun: str) -> str:
    """`1 service`, `3 services`."""
    plural = "" if number == 1 else "s"
    return f"{number:,} {noun}{plural}"
