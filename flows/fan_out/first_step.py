"""The first user of a service: where the config wants it, only after a person has agreed."""

from collections.abc import Mapping, Sequence

from config.errors import StepFailed
from config.split import SplitConfig
from flows.fan_out.services import settle_all
from flows.plan.options import SplitOptions
from flows.record.events import emit
from flows.record.outcome import ServiceOutcome
from flows.report.artifacts import evidence_markdown
from flows.runtime.approval import Question, ask_person, was_asked
from tasks.discovery import Discovered

__all__ = ["settle_approved"]


async def settle_approved(
    config: SplitConfig,
    discovered: Discovered,
    names: Sequence[str],
    options: SplitOptions,
    images: Mapping[str, str],
) -> dict[str, ServiceOutcome | BaseException]:
    """
    Settle the services; those whose first step wants approval stop before it, until a person has
    agreed.

    A subflow cannot be suspended, so it ends when its service is proven, and is run again after the
    answer: what is there already is found, and proven anew, since an answer may take a day.

    Returns:
        Outcome or error by service name.
    """
    asked = [
        name
        for name in names
        if config.traffic_of(config.service(name)).approve_first_step and not options.yes
    ]
    # A run that was suspended starts from the top: questions that it has asked before have their
    # answers.
    answers = {
        name: await _agreed(config, name)
        for name in asked
        if await was_asked(_question(config, name))
    }
    results: dict[str, ServiceOutcome | BaseException] = {
        name: _refused(name) for name, agreed in answers.items() if not agreed
    }
    approved = [name for name in names if name not in asked or answers.get(name)]
    open_names = [name for name in names if name not in results]
    results |= await settle_all(
        config, discovered, open_names, adopt=options.adopt, approved=approved, images=images
    )
    for name in asked:
        result = results[name]
        if isinstance(result, ServiceOutcome) and result.stage == "proven":
            if await _agreed(config, name):
                results |= await settle_all(
                    config,
                    discovered,
                    [name],
                    adopt=options.adopt,
                    approved=[name],
                    images=images,
                )
            else:
                results[name] = _refused(name)
    return results


def _question(config: SplitConfig, name: str) -> Question:
    patience = config.monolith.approval_timeout
    return Question(f"first-step-{name}", f"Give {name} its first users?", patience)


async def _agreed(config: SplitConfig, name: str) -> bool:
    return await ask_person(_question(config, name), evidence_markdown(config), yes=False)


def _refused(name: str) -> StepFailed:
    error = StepFailed(
        f"{name}: nobody agreed to give it users; the monolith serves its paths, and it stands "
        "ready"
    )
    emit("stage", name, "failed", numbers={"error": str(error)})
    return error
