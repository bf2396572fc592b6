"""Names of images, what COPY takes, and what a container is started with."""

import os
from pathlib import Path

import pytest

from sandbox.engine.base import ContainerSpec
from sandbox.engine.content.base_image import is_base
from sandbox.engine.content.image import Image
from sandbox.engine.process.build.context import NotInContext, copied
from sandbox.engine.process.build.tree import Tree
from sandbox.engine.process.reference import read_reference
from sandbox.engine.process.run.plain import plain_command, plain_environment
from sandbox.engine.process.run.program import image_command, program_environment

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:5000/users:v1", ("127.0.0.1:5000", "users", "v1", "")),
        (f"127.0.0.1:5000/team/users@{DIGEST}", ("127.0.0.1:5000", "team/users", "", DIGEST)),
        ("localhost/users", ("localhost", "users", "latest", "")),
        ("team/users:v1", ("", "team/users", "v1", "")),
        ("public.ecr.aws/nginx/nginx", ("public.ecr.aws", "nginx/nginx", "latest", "")),
    ],
)
def test_a_reference_is_read_into_its_parts(text, parts):
    read = read_reference(text)
    assert (read.host, read.path, read.tag, read.digest) == parts


@pytest.mark.parametrize("text", ["", "Users:v1", "users:", "users@sha256:short", "a b"])
def test_an_invalid_reference_is_not_read(text):
    assert read_reference(text) is None


@pytest.mark.parametrize(
    ("reference", "replaced"),
    [
        ("split-sandbox/python", True),
        ("split-sandbox/python:latest", True),
        ("python", True),
        ("python:3.12-slim", True),
        ("docker.io/library/python:3", True),
        ("public.ecr.aws/docker/library/python:3.12", True),
        ("pythonista:1", False),
        ("node:22", False),
    ],
)
def test_python_images_are_replaced_by_the_hosts_python(reference, replaced):
    assert is_base(reference) is replaced


@pytest.fixture
def context(tmp_path):
    for name in ("app.py", "data/a.json", "data/deep/b.json", "README.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "target", "names"),
    [
        (["app.py"], "/app/", ["app", "app/app.py"]),
        (["app.py"], "/app/main.py", ["app", "app/main.py"]),
        (["data"], "/srv/", ["srv", "srv/a.json", "srv/deep", "srv/deep/b.json"]),
        (["data/"], "/srv", ["srv", "srv/a.json", "srv/deep", "srv/deep/b.json"]),
        (["*.py", "*.md"], "/x/", ["x", "x/README.md", "x/app.py"]),
        (["data/*.json"], "/x/", ["x", "x/a.json"]),
        (["app.py"], "/", ["app.py"]),
        (
            ["."],
            "/x/",
            sorted(
                [
                    "x",
                    "x/README.md",
                    "x/app.py",
                    "x/data",
                    "x/data/a.json",
                    "x/data/deep",
                    "x/data/deep/b.json",
                ]
            ),
        ),
    ],
)
def test_copy_copies_what_docker_copies(context, sources, target, names):
    assert sorted(entry.name for entry in copied(Tree(context), sources, target, None)) == names


def test_several_sources_need_a_folder(context):
    with pytest.raises(NotInContext, match="end with a /"):
        copied(Tree(context), ["app.py", "README.md"], "/x", None)


def test_copy_does_not_leave_the_context(context):
    with pytest.raises(NotInContext, match="not in the build context"):
        copied(Tree(context / "data"), ["../app.py"], "/x", None)


def test_copy_follows_a_link_only_inside_of_the_context(context):
    (context / "out").symlink_to("/etc")
    (context / "in").symlink_to("/data")
    with pytest.raises(NotInContext):
        copied(Tree(context), ["out/passwd"], "/x", None)
    (entry,) = copied(Tree(context), ["in/a.json"], "/a.json", None)
    assert entry.source == context / "data" / "a.json"


def test_links_in_a_folder_are_copied_as_links(context):
    (context / "data" / "gone").symlink_to("nowhere")
    (context / "data" / "out").symlink_to("/etc")
    entries = {entry.name: entry.target for entry in copied(Tree(context), ["data"], "/x/", None)}
    assert (entries["x/gone"], entries["x/out"]) == ("nowhere", "/etc")


def test_pipes_are_not_copied(context):
    os.mkfifo(context / "data" / "pipe")
    names = [entry.name for entry in copied(Tree(context), ["data"], "/x/", None)]
    assert "x/pipe" not in names


def test_copy_sets_the_mode_that_it_is_given(context):
    assert copied(Tree(context), ["app.py"], "/app.py", 0o700)[-1].mode == 0o700


def image(**settings):
    return Image(DIGEST, DIGEST, {"config": settings}, {"layers": [], "config": {}})


@pytest.mark.parametrize(
    ("settings", "spec", "command"),
    [
        ({"Cmd": ["a", "b"]}, {}, ["a", "b"]),
        ({"Cmd": ["a"]}, {"command": ("c",)}, ["c"]),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {}, ["e", "a"]),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {"command": ("c",)}, ["e", "c"]),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {"entry_point": ("f",)}, ["f"]),
        (
            {"Entrypoint": ["e"], "Cmd": ["a"]},
            {"entry_point": ("f",), "command": ("c",)},
            ["f", "c"],
        ),
        ({}, {}, [""]),
    ],
)
def test_a_command_is_put_together_as_docker_does(settings, spec, command):
    assert image_command(image(**settings), ContainerSpec("app", "i", **spec)) == command


@pytest.mark.parametrize(
    ("command", "started"),
    [
        (["/usr/local/bin/python3", "x.py"], ["python3", "x.py"]),
        (["/bin/sh", "-c", "x"], ["/bin/sh", "-c", "x"]),
        (["/cart/run", "--dir=/cart"], ["{root}/cart/run", "--dir={root}/cart"]),
    ],
)
def test_without_a_root_of_its_own_a_command_finds_the_images_files(tmp_path, command, started):
    (tmp_path / "cart").mkdir()
    (tmp_path / "cart" / "run").touch()
    found = plain_command(image(Cmd=command), ContainerSpec("app", "i"), tmp_path)
    assert found == [word.format(root=tmp_path) for word in started]


def test_the_task_definitions_environment_wins():
    found = program_environment({"Env": ["A=1", "B=2", "PATH=/own"]}, {"B": "3"}, "app")
    assert found == {"A": "1", "B": "3", "PATH": "/own", "HOME": "/root", "HOSTNAME": "app"}


def test_a_value_that_looks_like_a_path_of_the_image_stays_as_it_is(tmp_path):
    (tmp_path / "cart").mkdir()
    spec = ContainerSpec("app", "i", environment={"PREFIX": "/cart", "HOME": "/cart"})
    found = plain_environment(
        image(Env=["DATA=/cart"]), spec, tmp_path, "127.1.0.1", Path("/programs")
    )
    assert (found["PREFIX"], found["HOME"], found["DATA"]) == ("/cart", "/cart", "/cart")
