"""The token bucket's arithmetic, on a clock of our own."""

import time
from types import SimpleNamespace

import pytest

from config.aws import AwsConfig
from tasks.aws.rate_limit import TokenBucket, pace, urgently


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(time, "monotonic", lambda: now.seconds)
    return now


@pytest.mark.usefixtures("clock")
def test_a_burst_passes_at_once():
    bucket = TokenBucket(burst=3, rate=2)
    assert [bucket.take() for _ in range(3)] == [0, 0, 0]


@pytest.mark.usefixtures("clock")
def test_calls_beyond_the_burst_wait_their_turn():
    bucket = TokenBucket(burst=2, rate=2)
    assert [bucket.take() for _ in range(5)] == [0, 0, 0.5, 1.0, 1.5]


def test_tokens_refill_at_the_rate(clock):
    bucket = TokenBucket(burst=2, rate=2)
    for _ in range(2):
        bucket.take()
    clock.seconds += 0.5
    assert [bucket.take() for _ in range(2)] == [0, 0.5]


def test_no_more_than_a_burst_is_saved(clock):
    bucket = TokenBucket(burst=2, rate=2)
    clock.seconds += 3600
    assert [bucket.take() for _ in range(3)] == [0, 0, 0.5]


def test_waiting_calls_use_tokens_before_any_are_saved(clock):
    bucket = TokenBucket(burst=1, rate=1)
    for _ in range(3):
        bucket.take()
    clock.seconds += 1
    assert bucket.take() == 2


def test_a_long_run_keeps_to_the_rate(clock):
    bucket = TokenBucket(burst=5, rate=2.5)
    began = clock.seconds
    for _ in range(105):
        clock.seconds += bucket.take()
    assert clock.seconds - began == pytest.approx(100 / 2.5)


@pytest.mark.usefixtures("clock")
def test_an_urgent_call_does_not_wait(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    account = AwsConfig(region="eu-west-3")
    with urgently():
        for _ in range(40):
            pace(account, "elbv2", "ModifyRule")
    assert slept == []


@pytest.mark.usefixtures("clock")
def test_the_calls_after_an_urgent_one_wait_longer(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    account = AwsConfig(region="eu-west-2")
    with urgently():
        for _ in range(18):
            pace(account, "elbv2", "ModifyRule")
    pace(account, "elbv2", "ModifyRule")
    assert slept == [pytest.approx(1 / 2.8)]
