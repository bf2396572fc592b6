"""What a person is advised when AWS refuses a call."""

import botocore.exceptions
import pytest

from flows.cli.run import _aws_text

PERMISSIONS = "check the permissions"


def refusal(code):
    return botocore.exceptions.ClientError({"Error": {"Code": code, "Message": "m"}}, "CreateX")


@pytest.mark.parametrize(
    "error",
    [
        botocore.exceptions.ParamValidationError(report="Invalid length for repositoryNames[0]"),
        refusal("ValidationException"),
        refusal("InvalidParameterException"),
    ],
)
def test_a_bad_value_is_not_blamed_on_permissions(error):
    assert PERMISSIONS not in _aws_text(error)
    assert "correct the value" in _aws_text(error)


def test_a_denied_call_is():
    assert PERMISSIONS in _aws_text(refusal("AccessDeniedException"))
