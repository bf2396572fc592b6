"""Everything that must hold before the first change; all findings at once."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence

import botocore.exceptions

from config.errors import InvalidConfig, PreflightFailed, ResourceConflict
from config.service import ServiceConfig
from config.split import SplitConfig
from flows.plan.options import SplitOptions
from flows.plan.owner import owner_of
from flows.plan.split import Plan, ServicePlan
from flows.record.events import emit
from tasks.aws.call import call
from tasks.aws.change import Create
from tasks.aws.credentials import read_account, why_refused
from tasks.cloudwatch.alarms import read_alarms
from tasks.discovery import Discovered, discover
from tasks.elbv2.rule import desired_preview_rules
from tasks.elbv2.rule_matching import CONTROL, LOCK, PREVIEW, ROLE, Rule
from tasks.http.parity import parity_paths
from tasks.preflight.alarms import check_alarms
from tasks.preflight.execution_role import check_execution_role, read_trust_policy
from tasks.preflight.finding import Finding, errors, warnings
from tasks.preflight.images import check_build_files, check_engine, check_ready_image
from tasks.preflight.network import check_network, check_ports, read_network
from tasks.preflight.priorities import lint_priorities
from tasks.preflight.quotas import Need, check_quotas, read_limits, read_usage
from tasks.preflight.routes import Claim, lint_overlaps, lint_owners, lint_patterns

__all__ = ["check_command", "preflight", "survey"]


async def check_command(config: SplitConfig, options: SplitOptions) -> None:
    """
    Look at what can be told at once: names, files, credentials. Prefect's start takes seconds, and
    may be in vain.

    Raises:
        PreflightFailed: With every finding.
    """
    findings = await _all_of([_names(config, options), _account(config)])
    _refuse(errors(findings))


async def survey(config: SplitConfig, options: SplitOptions) -> Discovered:
    """
    Read the surroundings that everything else is compared with.

    Raises:
        PreflightFailed: With every finding that can be made without what is missing.
    """
    chosen = _places(config, options.only or [service.name for service in config.services])
    _refuse(errors(await _all_of([_names(config, options), _account(config)])))
    try:
        discovered, unseen = await discover(config), []
    except PreflightFailed as error:
        discovered, unseen = None, str(error).splitlines()
    found = errors(await _all_of([_images(config, chosen)]))
    if discovered is None or found:
        apart = errors(await _all_of([_alarms(config, chosen), _parity(chosen), _overlaps(config)]))
        _refuse([*unseen, *found, *apart])
    assert discovered is not None  # noqa: S101 - it would have been refused
    return discovered


async def preflight(
    config: SplitConfig, discovered: Discovered, plan: Plan, options: SplitOptions
) -> None:
    """
    Look for whatever would make the run fail later; what only looks odd is told.

    Raises:
        PreflightFailed: With every finding, each naming field, value and remedy.
        ResourceConflict: The same, where names are taken and nothing else is wrong.
    """
    working = [item for item in plan.services if not item.settled]
    places = _places(config, [item.service for item in working])
    findings = await _all_of(
        [
            _overlaps(config),
            _drained(config, discovered, plan, places),
            _routes(config, discovered, working, options),
            _engine(config, working),
            *(_surroundings(config, discovered, working, places) if working else ()),
        ]
    )
    for text in warnings(findings):
        emit("note", None, text)
    found = errors(findings)
    _refuse(
        [*found, *plan.conflicts],
        ResourceConflict if plan.conflicts and not found else PreflightFailed,
    )


def _surroundings(
    config: SplitConfig,
    discovered: Discovered,
    working: Sequence[ServicePlan],
    places: Mapping[str, ServiceConfig],
) -> list[Awaitable[list[Finding]]]:
    return [
        _network(config, discovered, places),
        _execution_role(config, discovered),
        _quotas(config, discovered, working),
        _alarms(config, places),
        _parity(places),
    ]


def _refuse(
    lines: Sequence[str], error: type[PreflightFailed | ResourceConflict] = PreflightFailed
) -> None:
    if lines:
        raise error(
            "\n".join(["the run cannot begin:", *(f"  {line}" for line in dict.fromkeys(lines))])
        )


async def _all_of(questions: Iterable[Awaitable[list[Finding]]]) -> list[Finding]:
    """
    The findings of all questions, asked side by side; what may not be asked is
    a finding as well.
    """
    findings: list[Finding] = []
    for answer in await asyncio.gather(*questions, return_exceptions=True):
        if isinstance(answer, BaseException):
            findings += _explain(answer)
        else:
            findings += answer
    return findings


def _explain(error: BaseException) -> list[Finding]:
    if isinstance(error, PreflightFailed | InvalidConfig):
        return [Finding(line) for line in str(error).splitlines()]
    reason = why_refused(error) if isinstance(error, botocore.exceptions.ClientError) else None
    if reason is None:
        raise error
    return [Finding(reason)]


def _places(config: SplitConfig, names: Iterable[str]) -> dict[str, ServiceConfig]:
    """Services by their place in the config, e.g. `services[0]`."""
    wanted = set(names)
    return {
        f"services[{index}]": one for index, one in enumerate(config.services) if one.name in wanted
    }


async def _account(config: SplitConfig) -> list[Finding]:
    await call(read_account, config.aws)
    return []


async def _names(config: SplitConfig, options: SplitOptions) -> list[Finding]:
    """Names of services that are none, and build folders."""
    known = [service.name for service in config.services]
    asked = [("--only", name) for name in options.only] + [
        ("--adopt", name) for name in options.adopt
    ]
    strangers = [
        Finding(f"{option}: {name} is no service here; choose from {', '.join(sorted(known))}")
        for option, name in asked
        if name not in known
    ]
    files = await asyncio.gather(
        *(asyncio.to_thread(check_build_files, service) for service in config.services)
    )
    folders = [
        Finding(f"services[{index}].{line}") for index, lines in enumerate(files) for line in lines
    ]
    return strangers + folders


async def _overlaps(config: SplitConfig) -> list[Finding]:
    return lint_overlaps(config)


async def _images(config: SplitConfig, places: Mapping[str, ServiceConfig]) -> list[Finding]:
    asked = [
        call(check_ready_image, config.aws, where, service)
        for where, service in places.items()
        if service.image
    ]
    return [finding for found in await asyncio.gather(*asked) for finding in found]


async def _alarms(config: SplitConfig, places: Mapping[str, ServiceConfig]) -> list[Finding]:
    findings = []
    for where, service in places.items():
        gates = config.traffic_of(service).gates
        field = f"{where}.traffic" if service.traffic else "traffic"
        wanted = {name: f"{field}.gates.alarms[{index}]" for index, name in enumerate(gates.alarms)}
        states = await call(read_alarms, config.aws, tuple(wanted))
        findings += check_alarms(wanted, states, only_told=gates.dry_run)
    return findings


async def _parity(places: Mapping[str, ServiceConfig]) -> list[Finding]:
    """Files of paths that cannot be read, or hold nothing of the service's."""
    findings = []
    for where, service in places.items():
        file = service.parity.paths_file
        paths = await asyncio.to_thread(parity_paths, service)
        if file and len(paths) == len(set(service.parity.paths)):
            text = f"{where}.parity.paths_file: {file} has no further path of {service.name}'s"
            findings.append(Finding(f"{text}; cut it from a newer log", stops=False))
    return findings


async def _drained(
    config: SplitConfig, discovered: Discovered, plan: Plan, places: Mapping[str, ServiceConfig]
) -> list[Finding]:
    """A drained monolith cannot serve the paths of a service that is yet to be proven."""
    if discovered.monolith.desired_count > 0:
        return []
    moving = {item.service for item in plan.services if item.steps}
    return [
        Finding(
            f"{where}: {service.name} is not carved out yet, and {config.monolith.service} has "
            "no tasks, so nothing "
            "would serve its paths meanwhile; bring the monolith back with `python -m "
            "flows.rollback` first"
        )
        for where, service in places.items()
        if service.name in moving
    ]


async def _routes(
    config: SplitConfig,
    discovered: Discovered,
    working: Sequence[ServicePlan],
    options: SplitOptions,
) -> list[Finding]:
    names = {item.service for item in working}
    claims = [
        Claim(where, service, owner_of(config, service, options.adopt))
        for where, service in _places(config, names).items()
    ]
    if not claims:
        return []
    rules, group = working[0].state.rules, discovered.monolith.target_group_arn
    return await asyncio.to_thread(_lint, claims, rules, config, group)


def _lint(
    claims: Sequence[Claim], rules: Sequence[Rule], config: SplitConfig, group: str
) -> list[Finding]:
    findings: list[Finding] = []
    for claim in claims:
        findings += lint_patterns(claim, rules, group)
        findings += lint_owners(claim, rules, config.monolith.service, group)
    return [*findings, *lint_priorities(claims, rules, group, config.max_parallel)]


async def _engine(config: SplitConfig, working: Sequence[ServicePlan]) -> list[Finding]:
    """An engine is needed only when something has to be built."""
    to_build = [item.service for item in working if item.image_tag and item.state.digest is None]
    if not to_build:
        return []
    return await asyncio.to_thread(check_engine, config.docker_host, _places(config, to_build))


async def _network(
    config: SplitConfig, discovered: Discovered, places: Mapping[str, ServiceConfig]
) -> list[Finding]:
    network = await call(read_network, config.aws, discovered)
    return [*check_network(discovered, network), *check_ports(places, network)]


async def _execution_role(config: SplitConfig, discovered: Discovered) -> list[Finding]:
    trust = await call(read_trust_policy, config.aws, discovered.execution_role_arn)
    return check_execution_role(discovered, trust)


async def _quotas(
    config: SplitConfig, discovered: Discovered, working: Sequence[ServicePlan]
) -> list[Finding]:
    limits, usage = await asyncio.gather(
        call(read_limits, config.aws), call(read_usage, config.aws, discovered.load_balancer_arn)
    )
    numbers = {service.name: index for index, service in enumerate(config.services)}
    needs = []
    for item in working:
        made = [change.resource for change in item.changes if isinstance(change.change, Create)]
        service = config.service(item.service)
        private = desired_preview_rules(
            service.path_patterns, owner_of(config, service), PREVIEW, ("", "")
        )
        needs.append(
            Need(
                where=f"services[{numbers[item.service]}] ({item.service})",
                rules=made.count("listener rule"),
                private_rules=2 * len(private),
                target_groups=made.count("target group"),
                balancer_target_groups=item.state.target_group_arn
                not in usage.balancer_target_groups,
                roles=made.count("IAM role"),
            )
        )
    left = sum(rule.tags.get(ROLE) in (PREVIEW, CONTROL, LOCK) for rule in working[0].state.rules)
    return check_quotas(needs, limits, usage, max_parallel=config.max_parallel, left_over=left)
