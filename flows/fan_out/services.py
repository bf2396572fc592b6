"""
Settles the services of a split side by side: as subflows of this process, or as deployment runs on
a Prefect work pool.

Where the config wants approval for a service's first step, a subflow cannot be suspended for it: it
ends when its service is proven, and runs again after the approval. It then finds what it made, and
proves it again, since an approval may take a day.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from prefect import tags

from config.errors import StepFailed
from config.split import SplitConfig
from flows.fan_out.bounded import Results, side_by_side
from flows.fan_out.work_pool import settle_on_pool
from flows.plan.options import SplitOptions
from flows.plan.owner import TAG
from flows.record.events import emit
from flows.record.outcome import ServiceOutcome
from flows.report.artifacts import evidence_markdown
from flows.runtime.approval import Question, ask_person, was_asked
from flows.service.settle import settle_service
from tasks.aws.rate_limit import paced_across_workers
from tasks.discovery import Discovered

__all__ = ["settle_all"]


async def settle_all(
    config: SplitConfig,
    discovered: Discovered,
    names: Sequence[str],
    options: SplitOptions,
    images: Mapping[str, str],
) -> Results:
    """
    Settle the services, at most `max_parallel` at a time; one that fails does not affect the
    others.

    Args:
        config: The split.
        discovered: What is only read.
        names: The services.
        options: Services that may be adopted, and whether approval is given.
        images: The planned image of each service.
    """
    return await _Settling(config, discovered, options, images).settle_all(names)


@dataclass(frozen=True)
class _Settling:
    """The services of one run."""

    config: SplitConfig
    discovered: Discovered
    options: SplitOptions
    images: Mapping[str, str]

    async def settle_all(self, names: Sequence[str]) -> Results:
        asking = [name for name in names if self._needs_approval(name)]
        answers = await self._earlier_answers(asking)
        results: dict[str, ServiceOutcome | BaseException] = {}
        approved = [name for name in names if name not in asking]
        for name, is_approved in answers.items():
            if is_approved:
                approved.append(name)
            else:
                results[name] = _decline(name)

        remaining = [name for name in names if name not in results]
        results.update(await self._settle(remaining, approved))
        for name in asking:
            if _is_proven(results[name]):
                results.update(await self._after_approval(name))
        return results

    async def _earlier_answers(self, names: Sequence[str]) -> dict[str, bool]:
        """A run that was suspended starts from the top: what it asked before has its answer."""
        answers = {}
        for name in names:
            if await was_asked(self._question(name)):
                answers[name] = await self._ask(name)
        return answers

    async def _after_approval(self, name: str) -> Results:
        if await self._ask(name):
            return await self._settle([name], [name])
        return {name: _decline(name)}

    async def _settle(self, names: Sequence[str], approved: Collection[str]) -> Results:
        on_pool = self.config.fan_out == "work_pool"
        settle_one = self._settle_on_pool if on_pool else self._settle_here

        async def settle(name: str) -> ServiceOutcome:
            return await settle_one(name, approved=name in approved)

        with paced_across_workers(across=on_pool):
            return await side_by_side(names, self.config.max_parallel, settle)

    async def _settle_here(self, name: str, *, approved: bool) -> ServiceOutcome:
        with tags(TAG):
            return await settle_service(
                self.config,
                name,
                self.discovered,
                list(self.options.adopt),
                approved=approved,
                image=self.images[name],
            )

    async def _settle_on_pool(self, name: str, *, approved: bool) -> ServiceOutcome:
        return await settle_on_pool(
            self.config,
            self.discovered,
            name,
            list(self.options.adopt),
            approved=approved,
            image=self.images[name],
        )

    def _needs_approval(self, name: str) -> bool:
        traffic = self.config.traffic_of(self.config.service(name))
        return traffic.approve_first_step and not self.options.yes

    def _question(self, name: str) -> Question:
        return Question(
            key=f"first-step-{name}",
            text=f"Shift production traffic to {name}?",
            patience=self.config.monolith.approval_timeout,
        )

    async def _ask(self, name: str) -> bool:
        question = self._question(name)
        evidence = evidence_markdown(self.config)
        return await ask_person(question, evidence, yes=False)


def _is_proven(result: ServiceOutcome | BaseException) -> bool:
    return isinstance(result, ServiceOutcome) and result.stage == "proven"


def _decline(name: str) -> StepFailed:
    error = StepFailed(f"{name}: approval declined; deployed, no traffic shifted")
    emit("stage", name, "failed", numbers={"error": str(error)})
    return error
