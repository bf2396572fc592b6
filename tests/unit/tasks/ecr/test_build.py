"""The content tag: the same content, the same tag; anything else, another."""

import os
import re
import socket
import time

import pytest

from config.errors import BuildFailed
from config.service import Build
from tasks.ecr.build import content_tag


@pytest.fixture
def context(tmp_path):
    folder = tmp_path / "users"
    (folder / "app").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY app /app\n")
    (folder / "app" / "main.py").write_text("print(1)\n")
    return folder


def tag(folder, *, cpu="X86_64", **build):
    return content_tag(Build(context=folder, **build), cpu)


def test_a_tag_is_valid_in_ecr(context):
    assert re.fullmatch(r"c-[0-9a-f]{16}", tag(context))


def test_the_same_content_at_another_time_has_the_same_tag(context):
    before = tag(context)
    os.utime(context / "app" / "main.py", (1, 1))
    assert tag(context) == before


def test_the_same_content_in_another_folder_has_the_same_tag(context):
    before = tag(context)
    assert tag(context.rename(context.with_name("elsewhere"))) == before


def test_other_content_has_another_tag(context):
    before = tag(context)
    (context / "app" / "main.py").write_text("print(2)\n")
    assert tag(context) != before


def test_a_further_file_has_another_tag(context):
    before = tag(context)
    (context / "app" / "more.py").touch()
    assert tag(context) != before


def test_a_further_empty_folder_has_another_tag(context):
    before = tag(context)
    (context / "app" / "static").mkdir()
    assert tag(context) != before


def test_a_file_of_another_name_has_another_tag(context):
    before = tag(context)
    (context / "app" / "main.py").rename(context / "app" / "other.py")
    assert tag(context) != before


def test_content_moved_from_one_file_to_the_next_has_another_tag(context):
    (context / "a").write_text("xy")
    (context / "b").write_text("")
    before = tag(context)
    (context / "a").write_text("x")
    (context / "b").write_text("y")
    assert tag(context) != before


def test_a_file_made_executable_has_another_tag(context):
    before = tag(context)
    (context / "app" / "main.py").chmod(0o755)
    assert tag(context) != before


def test_another_build_argument_has_another_tag(context):
    assert tag(context, args={"BASE": "python:3.11"}) != tag(context, args={"BASE": "python:3.12"})


def test_the_order_of_build_arguments_does_not_matter(context):
    assert tag(context, args={"A": "1", "B": "2"}) == tag(context, args={"B": "2", "A": "1"})


def test_another_architecture_has_another_tag(context):
    assert tag(context, cpu="X86_64") != tag(context, cpu="ARM64")


def test_another_dockerfile_has_another_tag(context):
    (context / "Dockerfile.slim").write_text((context / "Dockerfile").read_text())
    assert tag(context) != tag(context, dockerfile="Dockerfile.slim")


def test_an_ignored_file_does_not_count(context):
    (context / ".dockerignore").write_text("# secrets stay here\n\n*.log\n")
    before = tag(context)
    (context / "debug.log").write_text("noise")
    assert tag(context) == before


def test_an_exception_in_dockerignore_counts(context):
    (context / ".dockerignore").write_text("*.log\n!keep.log\n")
    before = tag(context)
    (context / "keep.log").write_text("signal")
    assert tag(context) != before


def test_an_ignored_dockerfile_still_counts(context):
    (context / ".dockerignore").write_text("Dockerfile\n")
    before = tag(context)
    (context / "Dockerfile").write_text("FROM other\n")
    assert tag(context) != before


@pytest.mark.parametrize("target", ["main.py", "gone", "link", "/etc", ".."])
def test_a_link_counts_by_the_name_of_what_it_points_to(context, target):
    (context / "app" / "link").symlink_to("elsewhere")
    before = tag(context)
    (context / "app" / "link").unlink()
    (context / "app" / "link").symlink_to(target)
    assert tag(context) != before


def test_the_content_of_a_links_target_does_not_count(context, tmp_path):
    (tmp_path / "outside").write_text("1")
    (context / "link").symlink_to(tmp_path / "outside")
    before = tag(context)
    (tmp_path / "outside").write_text("2")
    assert tag(context) == before


def test_a_link_differs_from_a_file_with_the_name_of_its_target(context):
    (context / "link").symlink_to("app")
    before = tag(context)
    (context / "link").unlink()
    (context / "link").write_text("app")
    (context / "link").chmod(0o777)
    assert tag(context) != before


def test_a_context_that_cannot_be_read_fails_the_build(context):
    (context / "Dockerfile").unlink()
    with pytest.raises(BuildFailed, match=r"Dockerfile cannot be read \(No such file"):
        tag(context)


def test_a_pattern_that_is_not_valid_is_named_with_its_line(context):
    (context / ".dockerignore").write_text("*.log\n[a\n")
    with pytest.raises(BuildFailed, match=r"\.dockerignore: line 2: '\[a' is not a valid pattern"):
        tag(context)


def test_a_changed_dockerfile_outside_of_the_context_has_another_tag(context, tmp_path):
    (tmp_path / "docker").mkdir()
    outside = tmp_path / "docker" / "cart.Dockerfile"
    outside.write_text("FROM scratch\n")
    before = tag(context, dockerfile="../docker/cart.Dockerfile")
    outside.write_text("FROM scratch\nENV A=1\n")
    assert tag(context, dockerfile="../docker/cart.Dockerfile") != before


def test_a_changed_dockerfile_behind_a_link_has_another_tag(context, tmp_path):
    (tmp_path / "shared.Dockerfile").write_text("FROM scratch\n")
    (context / "Dockerfile").unlink()
    (context / "Dockerfile").symlink_to(tmp_path / "shared.Dockerfile")
    before = tag(context)
    (tmp_path / "shared.Dockerfile").write_text("FROM scratch\nENV A=1\n")
    assert tag(context) != before


def test_a_file_that_others_may_read_has_another_tag(context):
    (context / "app" / "main.py").chmod(0o600)
    before = tag(context)
    (context / "app" / "main.py").chmod(0o644)
    assert tag(context) != before


def test_the_umask_of_a_checkout_does_not_count(context):
    (context / "app" / "main.py").chmod(0o644)
    before = tag(context)
    (context / "app" / "main.py").chmod(0o664)
    assert tag(context) == before


@pytest.mark.parametrize("name", [b"caf\xe9.txt", b"\xff\xfe", "naïve.txt".encode(), b"a\nb"])
def test_a_file_of_any_name_counts(context, name):
    before = tag(context)
    path = os.fsencode(context) + b"/" + name
    with open(path, "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write(b"1")
    with_file = tag(context)
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"2")
    assert len({before, with_file, tag(context)}) == 3


def test_pipes_and_sockets_do_not_count(context):
    before = tag(context)
    os.mkfifo(context / "app" / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(context / "app" / "s"))
        assert tag(context) == before


def test_the_dockerfiles_own_ignore_file_is_used(context):
    (context / ".dockerignore").write_text("app\n")
    (context / "Dockerfile.dockerignore").write_text("*.log\n")
    before = tag(context)
    (context / "debug.log").write_text("noise")
    assert tag(context) == before
    (context / "app" / "main.py").write_text("print(2)\n")
    assert tag(context) != before


def test_a_large_context_is_hashed_in_seconds(context):
    for number in range(5_000):
        (context / "app" / f"{number}.txt").touch()
    (context / ".dockerignore").write_text("**/*.log\n!**/keep.log\nnode_modules\n")
    started = time.process_time()
    tag(context)
    # A tenth of a second on an idle machine; docker-py's own walk takes four for every pattern.
    assert time.process_time() - started < 2
