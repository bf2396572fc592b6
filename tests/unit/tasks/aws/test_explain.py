"""What an error of AWS or of its SDK means, and what to do about it."""

import botocore.exceptions as boto
import pytest

from tasks.aws.explain import explain_error, why_refused

INVALID = boto.ParamValidationError(
    report="Invalid length for parameter repositoryNames[0], value: 1, valid min length: 2"
)


def refusal(code, message="no", status=400):
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return boto.ClientError(response, "CreateRule")


def test_a_value_that_is_not_valid_is_never_a_matter_of_permissions():
    text = explain_error(INVALID)
    assert "repositoryNames[0]" in text
    assert "the request was not sent, because this value is not valid" in text
    assert "permission" not in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refusal("AccessDenied"), "may not call CreateRule"),
        (refusal("ExpiredToken"), "have expired"),
        (refusal("InvalidClientTokenId"), "AWS rejects the credentials"),
        (refusal("ThrottlingException"), "tried several times; run again later"),
        (refusal("ServiceFailure", status=500), "tried several times; run again later"),
        (refusal("TooManyRules"), "a quota of the account is reached"),
        (refusal("LimitExceededException"), "a quota of the account is reached"),
        (refusal("ValidationError"), "AWS does not accept a value of this request"),
        (refusal("InvalidParameterException"), "AWS does not accept a value of this request"),
        (refusal("ResourceInUse"), "remove the cause that AWS names"),
        (boto.NoCredentialsError(), "aws sso login"),
        (boto.UnauthorizedSSOTokenError(), "aws sso login"),
        (boto.SSOTokenLoadError(error_msg="gone"), "aws sso login"),
        (boto.RefreshWithMFAUnsupportedError(), "aws sso login"),
        (boto.CredentialRetrievalError(provider="p", error_msg="e"), "aws sso login"),
        (boto.ReadTimeoutError(endpoint_url="https://a"), "tried several times"),
        (boto.SSLError(endpoint_url="https://a", error="cert"), "check the network"),
        (boto.ProxyConnectionError(proxy_url="http://p"), "check the network, the proxy"),
        (boto.NoRegionError(), "correct the AWS configuration files"),
        (boto.InvalidRegionError(region_name="x y"), "correct the AWS configuration files"),
        (boto.ConfigParseError(path="/c"), "correct the AWS configuration files"),
        (boto.UnknownServiceError(service_name="e", known_service_names="s"), "requirements.lock"),
        (boto.WaiterError(name="w", reason="r", last_response={}), "the AWS SDK failed"),
    ],
)
def test_every_kind_of_error_has_a_remedy_of_its_own(error, words):
    assert words in explain_error(error)


def every_kind():
    kinds = [boto.BotoCoreError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return [kind for kind in dict.fromkeys(kinds) if kind.__module__ == boto.__name__]


@pytest.mark.parametrize("kind", every_kind())
def test_no_error_of_the_sdk_is_blamed_on_permissions(kind):
    error = kind.__new__(kind)
    Exception.__init__(error, "what happened")
    text = explain_error(error)
    assert "what happened" in text
    assert "permission" not in text


def test_an_error_that_is_not_about_credentials_or_values_is_not_a_refusal():
    assert why_refused(refusal("ResourceInUse")) is None
    assert why_refused(boto.WaiterError(name="w", reason="r", last_response={})) is None
    assert why_refused(ValueError("x")) is None
