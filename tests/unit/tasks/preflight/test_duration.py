"""How long a run takes, and whether the credentials last as long."""

import datetime as dt

import botocore.credentials
import botocore.session
import pytest

from config.aws import AwsConfig
from config.split import SplitConfig
from config.traffic import Gates, Step, Steps, Traffic
from tasks.aws import credentials
from tasks.aws.credentials import CredentialsLife, read_life
from tasks.preflight.duration import Duration, check_life, run_duration
from tasks.preflight.finding import errors, warnings

NOW = 1_800_000_000.0
RUN = Duration(least=600, most=6000)


def config(count=1, **more):
    names = ["users", "posts", "threads"][:count]
    services = [{"name": name, "path_patterns": (f"/{name}*",), "image": "i:1"} for name in names]
    steps = Steps(list=(Step(weight=10, bake=100), Step(weight=100, bake=200)))
    gates = Gates(wait_limit=50, metrics_lag=10, metrics_period=60)
    return SplitConfig(
        name="forum",
        aws={"region": "eu-central-1"},
        cluster="c",
        monolith={"service": "m", "quiet_period": 30},
        services=services,
        traffic=Traffic(shift=steps, gates=gates),
        stable_timeout=40,
        **more,
    )


def test_a_run_takes_at_least_the_bakes_of_its_remaining_steps():
    found = run_duration(config(), {"users": (100,)}, drains=False)
    assert found == Duration(least=200, most=40 + 200 + 170)


def test_a_drain_takes_its_quiet_period():
    found = run_duration(config(), {"users": (10, 100)}, drains=True)
    assert found == Duration(least=330, most=40 + 300 + 340 + 90 + 10 + 120 + 40)


def test_a_drain_waits_for_the_longest_connection():
    settings = config().model_dump()
    settings["monolith"]["longest_connection"] = 3600
    found = run_duration(SplitConfig(**settings), {"users": (10, 100)}, drains=True)
    assert found.least == 300 + 3600


def test_services_that_are_worked_on_in_turn_take_longer():
    steps = {"users": (10, 100), "posts": (10, 100)}
    assert run_duration(config(2), steps, drains=False).least == 300
    assert run_duration(config(2, max_parallel=1), steps, drains=False).least == 600


def life(seconds=None, renewal="never", source="env", *, temporary=True):
    expires = None if seconds is None else NOW + seconds
    return CredentialsLife(source, renewal, temporary, expires)


def check(found):
    return list(check_life(found, RUN, NOW))


def test_credentials_that_surely_end_before_the_run_are_an_error():
    (line,) = errors(check(life(500)))
    assert "the credentials (env) expire at " in line
    assert "in 8 min, and the run takes at least 10 min" in line


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(life(700), id="before its longest waits"),
        pytest.param(life(), id="at an unknown time"),
        pytest.param(life(500, "while logged in", "sso"), id="when the login ends"),
    ],
)
def test_credentials_that_may_end_before_the_run_are_a_warning(found):
    assert errors(check(found)) == []
    assert len(warnings(check(found))) == 1


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(None, id="none"),
        pytest.param(life(500, "always", "iam-role"), id="that renew themselves"),
        pytest.param(life(temporary=False), id="of an IAM user"),
        pytest.param(life(7000), id="that last long enough"),
    ],
)
def test_other_credentials_are_no_finding(found):
    assert check(found) == []


def refreshable(method):
    return botocore.credentials.RefreshableCredentials(
        "AKIA",
        "secret",
        "token",
        dt.datetime.now(dt.UTC) + dt.timedelta(hours=2),
        refresh_using=None,
        method=method,
    )


@pytest.fixture
def session(monkeypatch, tmp_path):
    """A session without credentials of its own."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    made = botocore.session.Session()
    monkeypatch.setattr(credentials, "core_session", lambda _: made)
    return made


@pytest.mark.parametrize(
    ("method", "profile", "renewal"),
    [
        ("iam-role", "", "always"),
        ("container-role", "", "always"),
        ("assume-role", "", "always"),
        ("assume-role", "mfa_serial = arn:aws:iam::1:mfa/me", "never"),
        ("sso", "", "while logged in"),
        ("env", "", "never"),
    ],
)
def test_the_source_decides_whether_credentials_renew_themselves(
    session, tmp_path, method, profile, renewal
):
    (tmp_path / "config").write_text(f"[default]\n{profile}\n")
    session._credentials = refreshable(method)
    found = read_life(AwsConfig(region="eu-central-1"))
    assert (found.renewal, found.temporary, found.source) == (renewal, True, method)
    assert found.expires is not None


@pytest.mark.parametrize(("token", "temporary"), [("t", True), (None, False)])
def test_fixed_credentials_are_temporary_when_they_have_a_session_token(session, token, temporary):
    session._credentials = botocore.credentials.Credentials("AKIA", "secret", token)
    found = read_life(AwsConfig(region="eu-central-1"))
    assert (found.renewal, found.temporary, found.expires) == ("never", temporary, None)
