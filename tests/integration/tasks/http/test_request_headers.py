"""Request headers whose values are secret: where they are read from, and where they never show."""

from pathlib import Path

import pytest

from config.errors import CheckFailed
from config.load import load_config
from config.proof.requests import Check, HeaderValue, Parity
from config.service import ServiceConfig
from tasks.http.checks import run_checks
from tasks.http.client import Route
from tasks.http.comparison.parity import parity_requests
from tasks.http.request_headers import read_headers, without_secrets


@pytest.fixture(scope="module")
def aws(sandbox):
    secrets = sandbox.boto("secretsmanager")
    secrets.create_secret(Name="ecs-splitter/shop", SecretString='{"token": "t0ken-of-the-shop"}')
    parameters = sandbox.boto("ssm")
    name = "/ecs-splitter/shop"
    parameters.put_parameter(Name=name, Value="key-of-the-shop\n", Type="SecureString")
    yield load_config(Path(sandbox.state["config"])).aws
    secrets.delete_secret(SecretId="ecs-splitter/shop", ForceDeleteWithoutRecovery=True)
    parameters.delete_parameter(Name=name)


def test_a_value_comes_from_where_it_is_kept(aws, monkeypatch):
    monkeypatch.setenv("SHOP_COOKIE", "session=of-the-shop")
    token = HeaderValue(secret="ecs-splitter/shop", key="token", prefix="Bearer ")
    headers = {
        "Accept-Language": HeaderValue(value="de"),
        "Authorization": token,
        "X-Key": HeaderValue(parameter="/ecs-splitter/shop"),
        "Cookie": HeaderValue(env="SHOP_COOKIE"),
    }
    assert read_headers(aws, headers) == {
        "Accept-Language": "de",
        "Authorization": "Bearer t0ken-of-the-shop",
        "X-Key": "key-of-the-shop",
        "Cookie": "session=of-the-shop",
    }


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"env": "NO_SUCH_VARIABLE"}, "environment variable NO_SUCH_VARIABLE is not set; export"),
        ({"parameter": "/no/such"}, "parameter /no/such cannot be read (ParameterNotFound)"),
        ({"secret": "ecs-splitter/shop", "key": "tocken"}, "has no JSON key 'tocken'"),
    ],
)
def test_a_value_that_is_not_there_is_named_by_header_and_source(aws, source, words):
    with pytest.raises(CheckFailed) as failed:
        read_headers(aws, {"X-Key": HeaderValue(**source)})
    assert str(failed.value).startswith("request_headers.X-Key: ")
    assert words in str(failed.value)


@pytest.mark.parametrize("value", ["", "two\nlines", "größe"])
def test_a_value_that_no_header_can_have_is_refused(aws, monkeypatch, value):
    monkeypatch.setenv(f"SHOP_{len(value)}", value)
    with pytest.raises(CheckFailed, match="store printable ASCII text"):
        read_headers(aws, {"X-Key": HeaderValue(env=f"SHOP_{len(value)}")})


def test_a_services_headers_go_with_its_checks_and_its_parity(aws):
    service = ServiceConfig(
        name="cart",
        path_patterns=("/cart*",),
        image="cart:1",
        request_headers={"X-A": "service", "X-B": "service"},
        checks=(Check(path="/cart", request_headers={"X-B": "check"}),),
        parity=Parity(paths=("/cart",), request_headers={"X-B": "parity"}),
    )
    (check,) = service.own_checks
    values = {name: value.value for name, value in check.request_headers.items()}
    assert values == {"X-A": "service", "X-B": "check"}
    (request,) = parity_requests(aws, service)
    assert request.headers == {"X-A": "service", "X-B": "parity"}


async def test_a_server_that_echoes_a_secret_does_not_bring_it_into_the_message(aws, monkeypatch):
    monkeypatch.setenv("SHOP_ECHOED", "s3cret-of-the-shop")
    check = Check(path="/", request_headers={"X-Key": HeaderValue(env="SHOP_ECHOED")})
    read_headers(aws, check.request_headers)
    assert without_secrets("you sent s3cret-of-the-shop") == "you sent ***"
    with pytest.raises(CheckFailed) as failed:
        await run_checks.fn(aws, "cart", "here", Route("http://127.0.0.1:9"), [check])
    assert "s3cret" not in str(failed.value)
