"""The checks of preflight: of the config alone, and of a plan against what AWS holds."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from config.split import SplitConfig
from config.traffic import Gates
from flows.plan.change import ServicePlan
from flows.plan.observe import Services, by_place
from flows.plan.options import SplitOptions
from flows.plan.owner import owner_of
from flows.plan.routes import ServiceRoutes
from flows.plan.split import Plan
from tasks.autoscaling.scaling import read_minimum
from tasks.aws.call import call
from tasks.aws.credentials import read_life
from tasks.cloudwatch.alarms import read_alarms
from tasks.cloudwatch.connections import read_connection_figures
from tasks.discovery import Discovered
from tasks.elbv2.rule_matching import CONTROL, LOCK, PREVIEW, ROLE, Rule
from tasks.http.comparison.parity import parity_paths
from tasks.http.reach import why_unreachable
from tasks.preflight.alarms import check_alarms
from tasks.preflight.capacity import check_minimum
from tasks.preflight.connections import check_delays, check_long_connections
from tasks.preflight.duration import check_life, run_duration
from tasks.preflight.execution_role import check_execution_role, read_trust_policy
from tasks.preflight.finding import Finding
from tasks.preflight.images import check_engine, check_ready_image
from tasks.preflight.monolith import check_deployment, check_listener, check_stickiness
from tasks.preflight.network import (
    check_network,
    check_ports,
    explain_unreachable,
    read_network,
)
from tasks.preflight.quotas import Need, Usage, check_quotas, read_limits, read_usage
from tasks.preflight.requests import check_own_requests, first_path
from tasks.preflight.rules.priorities import lint_priorities
from tasks.preflight.rules.routes import Claim, lint_overlaps, lint_owners, lint_patterns

__all__ = [
    "Findings",
    "PlanChecks",
    "check_alarm_names",
    "check_overlaps",
    "check_paths_files",
    "check_ready_images",
]

Findings: TypeAlias = list[Finding]


async def check_overlaps(config: SplitConfig) -> Findings:
    """Patterns that two services claim."""
    return lint_overlaps(config)


async def check_ready_images(config: SplitConfig, services: Services) -> Findings:
    """Images that are not built, and cannot be pulled."""
    checks = [
        call(check_ready_image, config.aws, where, service)
        for where, service in services.items()
        if service.image
    ]
    findings: Findings = []
    for found in await asyncio.gather(*checks):
        findings += found
    return findings


async def check_alarm_names(config: SplitConfig, services: Services) -> Findings:
    """Alarms of the gates that do not exist, or would fail them at once."""
    findings: Findings = []
    for where, service in services.items():
        field = f"{where}.traffic" if service.traffic else "traffic"
        gates = config.traffic_of(service).gates
        states = await call(read_alarms, config.aws, gates.alarms)
        fields = _alarm_fields(gates, field)
        findings += check_alarms(fields, states, only_told=gates.dry_run)
    return findings


def _alarm_fields(gates: Gates, traffic: str) -> dict[str, str]:
    """The field of each alarm, e.g. `traffic.gates.alarms[0]`."""
    return {name: f"{traffic}.gates.alarms[{index}]" for index, name in enumerate(gates.alarms)}


async def check_paths_files(services: Services) -> Findings:
    """Files of paths that cannot be read, or have no path of the service."""
    findings: Findings = []
    for where, service in services.items():
        paths = await asyncio.to_thread(parity_paths, service)
        added = set(paths).difference(service.parity.paths)
        file = service.parity.paths_file
        if file and not added:
            text = f"{where}.parity.paths_file: {file} adds no path of {service.name}"
            remedy = "make it from a newer access log"
            findings.append(Finding(f"{text}; {remedy}", stops=False))
    return findings


@dataclass(frozen=True)
class PlanChecks:
    """The checks of a plan, against what AWS holds."""

    config: SplitConfig
    discovered: Discovered
    plan: Plan
    options: SplitOptions

    def all(self) -> Sequence[Awaitable[Findings]]:
        """Without work to do, only those that cost nothing."""
        checks = [
            check_overlaps(self.config),
            self.drained(),
            self.routes(),
            self.engine(),
            self.image_notes(),
        ]
        if self.plan.drain.will_drain:
            checks.append(self.connections())
        if self.working:
            checks += [
                self.deployment(),
                self.listener(),
                self.stickiness(),
                self.scaling(),
                self.credentials(),
                self.network(),
                self.execution_role(),
                self.quotas(),
                self.own_requests(),
                check_alarm_names(self.config, self.services),
                check_paths_files(self.services),
            ]
        return checks

    @property
    def working(self) -> list[ServicePlan]:
        """The services that the run changes."""
        return [item for item in self.plan.services if not item.settled]

    @property
    def services(self) -> Services:
        """The same in the config."""
        return by_place(self.config, [item.service for item in self.working])

    @property
    def rules(self) -> Sequence[Rule]:
        """All rules of the listener."""
        return self.plan.services[0].state.rules

    async def drained(self) -> Findings:
        """A drained monolith cannot serve the paths of a service that is not proven yet."""
        if self.discovered.monolith.desired_count > 0:
            return []
        moving = [item.service for item in self.working if item.steps]
        monolith = self.config.monolith.service
        return [
            Finding(
                f"{where}: {service.name} is not split off yet, and {monolith} has no tasks to "
                "serve its paths meanwhile; restore it first with `python -m flows.rollback`"
            )
            for where, service in self.services.items()
            if service.name in moving
        ]

    async def connections(self) -> Findings:
        """Connections that the drain, or a deployment, cuts."""
        figures = await call(
            read_connection_figures,
            self.config.aws,
            self.discovered.load_balancer_arn,
            self.discovered.monolith.target_group_arn,
        )
        monolith = self.config.monolith
        delays = check_delays(monolith, by_place(self.config))
        return [*check_long_connections(monolith, figures), *delays]

    async def routes(self) -> Findings:
        """Rules of others, and priorities."""
        if not self.working:
            return []
        return await asyncio.to_thread(self._lint_routes)

    def _lint_routes(self) -> Findings:
        claims = self._claims()
        findings: Findings = []
        for claim in claims:
            findings += self._lint_claim(claim)
        group = self.discovered.monolith.target_group_arn
        findings += lint_priorities(claims, self.rules, group, self.config.max_parallel)
        return findings

    def _lint_claim(self, claim: Claim) -> Findings:
        monolith = self.discovered.monolith
        group = monolith.target_group_arn
        patterns = lint_patterns(claim, self.rules, group)
        owners = lint_owners(claim, self.rules, monolith.service, group)
        return [*patterns, *owners]

    def _claims(self) -> list[Claim]:
        adopt = self.options.adopt
        return [
            Claim(where, service, owner_of(self.config, service, adopt))
            for where, service in self.services.items()
        ]

    async def engine(self) -> Findings:
        """An engine is needed only when an image has to be built."""
        names = [item.service for item in self.working if item.needs_build]
        if not names:
            return []
        to_build = by_place(self.config, names)
        return await asyncio.to_thread(check_engine, self.config.docker_host, to_build)

    async def image_notes(self) -> Findings:
        """Images that are not pinned, and why."""
        places = by_place(self.config)
        notes = {item.service: item.note for item in self.plan.services}
        return [
            Finding(f"{where}.{notes[service.name]}", stops=False)
            for where, service in places.items()
            if notes.get(service.name)
        ]

    async def deployment(self) -> Findings:
        """Who else changes the monolith's rules."""
        monolith = self.discovered.monolith
        return list(check_deployment(self.config.monolith, self.config.cluster, monolith))

    async def listener(self) -> Findings:
        """Whether requests can be sent through the listener."""
        checks = check_listener(self.config.listener, self.discovered)
        found = await asyncio.to_thread(list, checks)
        return found or await self._url()

    async def _url(self) -> Findings:
        """Whether checks reach the listener at all; without any, nothing is sent."""
        checks = self.config.monolith.checks
        path = await asyncio.to_thread(first_path, self.services, checks)
        if path is None:
            return []
        error = await why_unreachable(self.discovered.route(), path)
        return [explain_unreachable(self.discovered.alb_url, error)] if error else []

    async def stickiness(self) -> Findings:
        """Target groups that cannot be in a weighted rule."""
        groups = {"monolith.service": self.discovered.monolith.target_group_arn}
        for item in self.working:
            [(place, _)] = by_place(self.config, [item.service]).items()
            if item.state.target_group_arn:
                groups[place] = item.state.target_group_arn
        return await call(check_stickiness, self.config.aws, groups)

    async def scaling(self) -> Findings:
        """Autoscaling that may leave a service fewer tasks than its steps need."""
        findings: Findings = []
        cluster = self.discovered.cluster_arn
        for item in self.working:
            [(place, service)] = by_place(self.config, [item.service]).items()
            if not item.steps or item.state.service is None:
                continue
            minimum = await call(read_minimum, self.config.aws, cluster, service.name)
            dry_run = self.config.traffic_of(service).gates.dry_run
            findings += check_minimum(
                place, service, cluster, minimum, steps=item.steps, dry_run=dry_run
            )
        return findings

    async def credentials(self) -> Findings:
        """Whether the credentials last as long as the run."""
        steps = {item.service: item.steps for item in self.working}
        drains = self.plan.drain.will_drain
        duration = run_duration(self.config, steps, drains=drains)
        life = await call(read_life, self.config.aws)
        return list(check_life(life, duration, time.time()))

    async def network(self) -> Findings:
        """Subnets, security groups, and the services' ports."""
        network = await call(read_network, self.config.aws, self.discovered)
        findings = check_network(self.discovered, network)
        findings += check_ports(self.services, network)
        return findings

    async def own_requests(self) -> Findings:
        """What checks, parity and probes send."""
        checks = self.config.monolith.checks
        return await call(check_own_requests, self.config.aws, self.services, checks)

    async def execution_role(self) -> Findings:
        """The role with which ECS pulls images and writes logs."""
        role = self.discovered.execution_role_arn
        trust = await call(read_trust_policy, self.config.aws, role)
        return check_execution_role(self.discovered, trust)

    async def quotas(self) -> Findings:
        """Whether everything that is created fits."""
        limits, usage = await asyncio.gather(
            call(read_limits, self.config.aws),
            call(read_usage, self.config.aws, self.discovered.load_balancer_arn),
        )
        roles = [rule.tags.get(ROLE) for rule in self.rules]
        temporary = [role for role in roles if role in (PREVIEW, CONTROL, LOCK)]
        return check_quotas(
            [self._need(item, usage) for item in self.working],
            limits,
            usage,
            max_parallel=self.config.max_parallel,
            left_over=len(temporary),
        )

    def _need(self, plan: ServicePlan, usage: Usage) -> Need:
        """What a service adds to what the quotas count."""
        [(place, service)] = by_place(self.config, [plan.service]).items()
        routes = ServiceRoutes(
            self.config,
            service,
            owner_of(self.config, service),
            plan.state,
        )
        created = plan.created()
        group = plan.state.target_group_arn
        return Need(
            where=f"{place} ({service.name})",
            rules=created.count("listener rule"),
            private_rules=len(routes.temporary_rules()),
            target_groups=created.count("target group"),
            balancer_target_groups=group not in usage.balancer_target_groups,
            roles=created.count("IAM role"),
        )
