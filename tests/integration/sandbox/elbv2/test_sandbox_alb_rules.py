"""Rules: every kind of condition, and every action."""

import itertools

import pytest

from tests.integration.sandbox.elbv2.sandbox_alb import eventually, fixed, served_site

CONFIGS = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
numbers = itertools.count()


@pytest.fixture(scope="module")
def listener(tmp_path_factory):
    with served_site(tmp_path_factory.mktemp("alb")) as site:
        yield site.serve(fixed("default"))


@pytest.fixture
def rules(listener):
    """Makes rules that are gone after the test."""
    made = []

    def make(priority, conditions, action):
        made.append(listener.rule(priority, conditions, action))

    yield make
    for arn in made:
        listener.elb.delete_rule(RuleArn=arn)


def condition(field, *values):
    return {"Field": field, CONFIGS[field]: {"Values": list(values)}}


def header(name, *values):
    return {
        "Field": "http-header",
        "HttpHeaderConfig": {"HttpHeaderName": name, "Values": list(values)},
    }


def regex(*values):
    return {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": list(values)}}


def pair(value, key=None):
    return {"Value": value} | ({"Key": key} if key else {})


CASES = [
    # condition, path, request, whether it holds
    (condition("path-pattern", "/api/users*"), "/api/users", {}, True),
    (condition("path-pattern", "/api/users*"), "/api/users/1?q=2", {}, True),
    (condition("path-pattern", "/api/users*"), "/api/Users", {}, False),
    (condition("path-pattern", "/api/*/x"), "/api/a/b/x", {}, True),
    (condition("path-pattern", "/api/*/x"), "/api/a/b/xy", {}, False),
    (condition("path-pattern", "/v?/a"), "/v1/a", {}, True),
    (condition("path-pattern", "/v?/a"), "/v/a", {}, False),
    (condition("path-pattern", "/a", "/b"), "/b", {}, True),
    (condition("path-pattern", "/a.b"), "/aXb", {}, False),
    (condition("path-pattern", "*.png"), "/img/a.png", {}, True),
    (condition("path-pattern", "/**a*"), "/bab", {}, True),
    (regex("^/cart/[0-9]+/invoice$"), "/cart/12/invoice", {}, True),
    (regex("^/cart/[0-9]+/invoice$"), "/cart/x/invoice", {}, False),
    (regex("^/other$", "/b"), "/a/b", {}, True),
    (header("X-Preview", "s3cret"), "/", {"x-preview": "s3cret"}, True),
    (header("X-Preview", "s3cret"), "/", {"X-PREVIEW": "S3CRET"}, True),
    (header("X-Preview", "s3cret"), "/", {"X-Preview": "s3cret!"}, False),
    (header("X-Preview", "s3cret"), "/", {}, False),
    (header("User-Agent", "*Chrome*", "*Safari*"), "/", {"User-Agent": "Mozilla Safari/1"}, True),
    (condition("host-header", "*.example.com"), "/", {"Host": "WWW.example.com:80"}, True),
    (condition("host-header", "*.example.com"), "/", {"Host": "example.com"}, False),
    (condition("query-string", pair("v1", "version")), "/?a=b&version=v1", {}, True),
    (condition("query-string", pair("v1", "version")), "/?version=v11", {}, False),
    (condition("query-string", pair("*example*")), "/?x=an-Example-y", {}, True),
    (condition("query-string", pair("\\*")), "/?x=*", {}, True),
    (condition("query-string", pair("\\*")), "/?x=y", {}, False),
    (condition("query-string", pair("a", "k"), pair("b", "k")), "/?k=b", {}, True),
    (condition("source-ip", "10.0.0.0/8", "127.0.0.0/8"), "/", {}, True),
    (condition("source-ip", "10.0.0.0/8", "2001:db8::/32"), "/", {}, False),
]


@pytest.mark.parametrize(("asked", "path", "headers", "holds"), CASES)
def test_a_condition_holds_as_on_aws(listener, rules, asked, path, headers, holds):
    rules(2, [asked], fixed("rule"))
    ready = f"/ready/{next(numbers)}"
    rules(1, [condition("path-pattern", ready)], fixed("ready"))
    eventually(lambda: listener.text(ready) == "ready")
    assert listener.text(path, headers=headers) == ("rule" if holds else "default")


@pytest.mark.parametrize(("method", "answer"), [("DELETE", "rule"), ("GET", "default")])
def test_a_method_condition_holds_for_its_methods(listener, rules, method, answer):
    rules(1, [condition("http-request-method", "PUT", "DELETE")], fixed("rule"))
    eventually(lambda: listener.text(method="PUT") == "rule")
    assert listener.text(method=method) == answer


def test_all_conditions_of_a_rule_have_to_hold(listener, rules):
    rules(1, [condition("path-pattern", "/a"), header("X-Preview", "yes")], fixed("rule"))
    eventually(lambda: listener.text("/a", headers={"X-Preview": "yes"}) == "rule")
    assert listener.text("/a") == listener.text("/b", headers={"X-Preview": "yes"}) == "default"


def test_the_rule_of_the_lowest_priority_number_answers(listener, rules):
    rules(20, [condition("path-pattern", "/*")], fixed("wide"))
    rules(10, [condition("path-pattern", "/a*")], fixed("narrow"))
    eventually(lambda: listener.text("/a") == "narrow")
    assert listener.text("/b") == "wide"


def test_priorities_can_be_exchanged(listener, rules):
    rules(20, [condition("path-pattern", "/*")], fixed("wide"))
    rules(10, [condition("path-pattern", "/a*")], fixed("narrow"))
    eventually(lambda: listener.text("/a") == "narrow")
    wide = next(
        rule["RuleArn"]
        for rule in listener.elb.describe_rules(ListenerArn=listener.arn)["Rules"]
        if rule["Priority"] == "20"
    )
    listener.elb.set_rule_priorities(RulePriorities=[{"RuleArn": wide, "Priority": 5}])
    eventually(lambda: listener.text("/a") == "wide")


def test_a_fixed_response_has_its_status_type_and_body(listener, rules):
    body = 'quotes " and \\ and \N{SNOWMAN}\nin two lines'
    settings = {"StatusCode": "418", "ContentType": "application/json", "MessageBody": body}
    rules(
        1,
        [condition("path-pattern", "/teapot")],
        {"Type": "fixed-response", "FixedResponseConfig": settings},
    )
    eventually(lambda: listener.status("/teapot") == 418)
    response, text = listener.ask("/teapot")
    assert (response.getheader("Content-Type"), text) == ("application/json", body)


REDIRECTS = [
    (
        {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"},
        "https://www.x.org:443/go/a?b=c",
    ),
    (
        {"Host": "new.#{host}", "Path": "/moved/#{path}", "StatusCode": "HTTP_301"},
        "http://new.www.x.org:{port}/moved/go/a?b=c",
    ),
    (
        {"Query": "from=#{path}&#{query}", "StatusCode": "HTTP_301"},
        "http://www.x.org:{port}/go/a?from=go/a&b=c",
    ),
]


@pytest.mark.parametrize(("settings", "location"), REDIRECTS)
def test_a_redirect_fills_in_the_parts_of_the_request(listener, rules, settings, location):
    rules(1, [condition("path-pattern", "/go/*")], {"Type": "redirect", "RedirectConfig": settings})
    eventually(lambda: listener.status("/go/a") == 301)
    response, _ = listener.ask("/go/a?b=c", headers={"Host": "www.x.org"})
    assert response.getheader("Location") == location.format(port=listener.port)
