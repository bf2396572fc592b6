"""The JSON object, its constructors, and the errors that carry it."""

import json
import pickle
from dataclasses import replace

import pytest

from config.errors import BadInput, StepFailed
from flows.record.outcome import (
    Event,
    MonolithOutcome,
    Outcome,
    PlanRefused,
    RunFailed,
    ServiceOutcome,
)
from tasks.elbv2.target_group import TargetHealth

ROW = {"service": "users", "resource": "image", "name": "users", "action": "create", "details": ""}


def test_the_object_has_the_keys_of_the_contract():
    assert list(Outcome(status="completed").model_dump()) == [
        "status",
        "engine",
        "services",
        "monolith",
        "traffic",
        "alb_url",
        "error",
        "events",
        "plan",
    ]


def test_an_event_has_the_keys_of_the_contract():
    event = Event(at=1.5, kind="verdict", service="users", text="5xx", numbers={"rate": 0.1})
    outcome = Outcome(status="completed", events=(event,))
    [printed] = json.loads(outcome.model_dump_json())["events"]
    assert printed == {
        "at": 1.5,
        "kind": "verdict",
        "service": "users",
        "text": "5xx",
        "weight": None,
        "verdict": None,
        "numbers": {"rate": 0.1},
    }


def test_a_number_that_json_does_not_have_is_null():
    event = Event(at=0, kind="verdict", service=None, text="", numbers={"ratio": float("inf")})
    [printed] = json.loads(Outcome(status="failed", events=(event,)).model_dump_json())["events"]
    assert printed["numbers"] == {"ratio": None}


def test_a_service_has_the_healthy_targets_of_its_group():
    health = TargetHealth(healthy=2, states={"healthy": 2}, reasons=())
    assert ServiceOutcome.of("settled", weight=100, health=health).healthy_targets == 2


def test_a_service_without_a_target_group_has_no_number_of_targets():
    assert ServiceOutcome.of("planned").healthy_targets is None


def test_a_service_at_another_stage_is_the_same_otherwise():
    outcome = ServiceOutcome.of("settled", weight=100, image="users@sha256:0")
    assert outcome.at("failed") == ServiceOutcome.of("failed", weight=100, image="users@sha256:0")


@pytest.mark.parametrize(("count", "drained"), [(0, True), (1, False)])
def test_a_monolith_without_tasks_is_drained(count, drained):
    assert MonolithOutcome.of("monolith", count).drained is drained


@pytest.mark.parametrize(("is_empty", "status"), [(True, "unchanged"), (False, "planned")])
def test_the_outcome_of_a_plan_has_its_rows(is_empty, status):
    outcome = Outcome(status="completed").with_plan([ROW], is_empty=is_empty)
    assert (outcome.status, outcome.plan) == (status, (ROW,))


@pytest.mark.parametrize("kind", [PlanRefused, RunFailed])
def test_an_error_with_an_outcome_survives_pickling(kind):
    error = kind(Outcome(status="failed", error="users failed", plan=(ROW,)))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - it was pickled just now
    assert (type(copy), str(copy), copy.outcome) == (kind, "users failed", error.outcome)


def test_a_refused_plan_is_bad_input_with_the_reasons():
    error = PlanRefused(Outcome.refused("no engine", [ROW]))
    assert isinstance(error, BadInput)
    assert (error.outcome.status, error.outcome.error) == ("refused", "no engine")


def test_a_failed_run_is_a_failed_step():
    assert isinstance(RunFailed(Outcome(status="failed", error="no")), StepFailed)


@pytest.mark.parametrize("gate", ["status 4xx", "connections"])
def test_a_passed_gate_of_many_is_a_detail(gate):
    passed = Event(0, "verdict", "users", "0 of 9", verdict="pass", numbers={"gate": gate})
    failed = replace(passed, verdict="fail")
    assert (passed.is_detail, failed.is_detail) == (True, False)


def test_a_passed_gate_that_a_person_follows_is_no_detail():
    passed = Event(0, "verdict", "users", "0 of 9", verdict="pass", numbers={"gate": "errors"})
    assert not passed.is_detail
