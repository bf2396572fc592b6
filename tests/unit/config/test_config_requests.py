"""The tool's own requests in split.yaml: what of them is refused, and how it is named."""

import pytest

from config.errors import InvalidConfig
from config.load import parse_config
from config.proof.requests import HeaderValue


def parsed(tmp_path, **service):
    users = {"name": "users", "path_patterns": ["/api/users*"], "image": "users:1", **service}
    config = {
        "name": "forum-split",
        "aws": {"region": "eu-central-1"},
        "cluster": "production",
        "monolith": {"service": "forum"},
        "services": [users],
    }
    return parse_config(config, base=tmp_path).services[0]


@pytest.mark.parametrize(
    ("service", "line"),
    [
        (
            {"request_headers": {"Host": "shop.test"}},
            "services[0].request_headers.Host: cannot be set: set listener.url to the URL with",
        ),
        (
            {"parity": {"request_headers": {"x-split-preview": "1"}}},
            "services[0].parity.request_headers.x-split-preview: cannot be set",
        ),
        (
            {"request_headers": {"X-A": {"env": "A", "secret": "b"}}},
            "services[0].request_headers.X-A.value / env / secret / parameter: 2 are given; give",
        ),
        (
            {"request_headers": {"X-A": {"envv": "A"}}},
            "services[0].request_headers.X-A.envv: unknown key (with \"A\"); did you mean 'env'?",
        ),
        (
            {"request_headers": {"X-A": {"env": "A", "key": "b"}}},
            "services[0].request_headers.X-A.key: is for a secret only; leave it out",
        ),
        (
            {"request_headers": {"X-A": 5}},
            "services[0].request_headers.X-A: is neither text nor a reference; write text, or e.g.",
        ),
        (
            {"request_headers": {"X A": "b"}},
            'services[0].request_headers.X A: "X A" should match',
        ),
        (
            {"checks": [{"path": "/api/users", "method": "POST"}]},
            "services[0].checks[0].method: \"POST\" should be 'GET' or 'HEAD'; choose one of them",
        ),
        (
            {"checks": [{"path": "/api/users", "method": "HEAD", "json_subset": {}}]},
            "services[0].checks[0].method: HEAD has no body to check; use GET",
        ),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused_by_its_field(tmp_path, service, line):
    with pytest.raises(InvalidConfig) as refused:
        parsed(tmp_path, **service)
    assert line in str(refused.value)


def test_a_header_that_cannot_be_sent_is_refused_without_its_text(tmp_path):
    with pytest.raises(InvalidConfig) as refused:
        parsed(tmp_path, request_headers={"Cookie": "session=s3cret\nX: y"})
    assert "request_headers.Cookie.value: has characters that a header cannot" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_plain_text_is_a_value(tmp_path):
    service = parsed(tmp_path, request_headers={"X-A": "b", "X-C": {"env": "C"}})
    assert service.request_headers == {
        "X-A": HeaderValue(value="b"),
        "X-C": HeaderValue(env="C"),
    }
    assert type(service).model_validate(service.model_dump(mode="json")) == service
