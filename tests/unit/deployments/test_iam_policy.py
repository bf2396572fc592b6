"""The IAM policy allows what the tasks' source calls, and nothing else."""

import ast
import re
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

from tests.iam import UNSEEN, allowed_actions, iam_action

ROOT = Path(__file__).parents[3]


@cache
def operations(service):
    """{method name: operation} of a boto3 client."""
    names = botocore.session.get_session().get_service_model(service).operation_names
    return {xform_name(name): name for name in names}


def service_of(node):
    """The service of `client(aws, "service")`."""
    match node:
        case ast.Call(func=ast.Name(id="client"), args=[_, ast.Constant(value=str() as service)]):
            return service
    return None


def methods_called(function):
    """(service, method) of every call in a function on a client that it makes."""
    made = {
        node.targets[0].id: service_of(node.value)
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and service_of(node.value)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute):
            service = service_of(node.value) or (
                isinstance(node.value, ast.Name) and made.get(node.value.id)
            )
            if service:
                yield service, node.attr
    for service in set(made.values()) | {service_of(node) for node in ast.walk(function)} - {None}:
        yield from (
            (service, method)
            for method in re.findall(r"get_paginator\('(\w+)'\)", ast.unparse(function))
        )


def actions_called():
    files = [*(ROOT / "tasks").rglob("*.py"), *(ROOT / "flows").rglob("*.py")]
    functions = [
        node
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    return {
        iam_action(service, operations(service)[method])
        for function in functions
        for service, method in methods_called(function)
        if method in operations(service)
    }


def test_every_call_is_allowed():
    assert actions_called() - allowed_actions() == set()


def test_nothing_is_allowed_that_is_never_called():
    assert allowed_actions() - actions_called() - UNSEEN == set()
