"""The embedded engine alone: its builds, and that nothing outlives the sandbox."""

import io
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import time
from contextlib import ExitStack
from pathlib import Path

import docker
import docker.errors
import pytest

from config.service import Build, ServiceConfig
from sandbox.addresses import Addresses
from sandbox.engine.base import ContainerSpec, ImageUnavailable, RegistryLogin
from sandbox.engine.process.engine import ProcessEngine
from tasks.ecr.build import build_image
from tasks.ecr.context.refusals import dockerfile_refusals

NO_REGISTRY = RegistryLogin("", "", "")
OWNER = """
import functools, sys, time
from pathlib import Path
import docker
from sandbox.addresses import Addresses
from sandbox.engine.base import ContainerSpec, RegistryLogin
from sandbox.engine.process.engine import ProcessEngine

engine = ProcessEngine(RegistryLogin("", "", ""), Addresses(), Path(sys.argv[1]))
client = docker.DockerClient(base_url=engine.docker_host)
context = Path(sys.argv[1], "context")
context.mkdir()
(context / "Dockerfile").write_text("FROM split-sandbox/python\\nCMD python -c 'pass'")
client.images.build(path=str(context), tag="app:v1")
code = (
    "import os, subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)']);"
    "print(os.getpid(), child.pid, flush=True); time.sleep(300)"
)
say = functools.partial(print, flush=True)
command = ("python", "-c", code)
engine.start(ContainerSpec(name="app", image="app:v1", command=command, entry_point=()), say)
say("warden", engine._warden.pid)
time.sleep(300)
"""


@pytest.fixture
def engine(tmp_path, cache):  # noqa: ARG001 - fixtures are asked for by name
    with ExitStack() as stack:
        addresses = Addresses()
        stack.callback(addresses.close)
        engine = ProcessEngine(NO_REGISTRY, addresses, tmp_path / "run")
        stack.callback(engine.close)
        yield engine


@pytest.fixture
def client(engine):
    client = docker.DockerClient(base_url=engine.docker_host)
    yield client
    client.close()


def build(client, folder, content, **options):
    """The lines of a build's output, an error last."""
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(textwrap.dedent(content))
    stream = client.api.build(path=str(folder), tag="app:v1", decode=True, **options)
    return [(event.get("error") or event.get("stream", "")).strip() for event in stream]


def run(engine, **fields):
    """The lines that a container of the built image writes until it ends."""
    lines = []
    container = engine.start(ContainerSpec(name="app", image="app:v1", **fields), lines.append)
    wait_until(lambda: container.exit_code() is not None)
    return lines


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_nothing_outlives_a_sandbox_that_is_killed(tmp_path):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        said = [owner.stdout.readline().split() for _ in range(2)]
        pids = [int(word) for words in said for word in words if word.isdigit()]
        assert [runs(pid) for pid in pids] == [True] * 3
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    wait_until(lambda: not any(map(runs, pids)))


def test_nothing_runs_after_close(engine, client, tmp_path):
    build(client, tmp_path / "context", "FROM split-sandbox/python\nCMD sleep 300")
    container = engine.start(ContainerSpec(name="app", image="app:v1"), print)
    engine.close()
    assert not runs(container.pid)


def test_closing_deletes_the_containers_files(engine, client, tmp_path):
    build(client, tmp_path / "context", "FROM split-sandbox/python\nWORKDIR /app\nCMD sleep 300")
    engine.start(ContainerSpec(name="app", image="app:v1"), print)
    engine.close()
    assert not list((tmp_path / "run").rglob("*"))


def test_every_step_of_a_build_is_in_its_progress(client, tmp_path):
    lines = build(client, tmp_path / "context", "FROM split-sandbox/python\nENV A=1\nCMD python")
    assert [line for line in lines if line.startswith("Step")] == [
        "Step 1/3 : FROM split-sandbox/python",
        "Step 2/3 : ENV A=1",
        "Step 3/3 : CMD python",
    ]


@pytest.mark.parametrize(
    ("dockerfile", "error"),
    [
        ("FROM nginx:1", "'nginx:1' cannot be pulled by the embedded engine"),
        ("FROM split-sandbox/python\nCOPY --from=x /a /b", "'x' cannot be pulled"),
        ("FROM split-sandbox/python\nCOPY missing /b", "missing: not in the build context"),
        ("FROM split-sandbox/python\nADD https://example.com/a /b", "ADD of a URL"),
        ("FROM split-sandbox/python\nRUN exit 3", "returned a non-zero code: 3"),
        ("# nothing", "no FROM"),
    ],
)
def test_a_build_that_cannot_succeed_fails(client, tmp_path, dockerfile, error):
    assert error in build(client, tmp_path / "context", dockerfile)[-1]


def test_every_refusal_of_a_build_is_named_with_the_remedy(client, tmp_path):
    lines = build(client, tmp_path / "context", "FROM nginx:1\nADD a.tgz /\nENV A=1")
    refusals = lines[-1].splitlines()
    assert [line.split(":")[0] for line in refusals] == ["Dockerfile line 1", "Dockerfile line 2"]
    assert all(line.endswith("use a Docker engine: --engine docker") for line in refusals)


def test_another_architecture_is_refused(client, tmp_path):
    lines = build(client, tmp_path / "context", "FROM split-sandbox/python", platform="linux/s390x")
    assert lines[-1].startswith("platform: linux/s390x is not linux/")


def test_a_dockerfile_outside_of_the_context_is_read(client, tmp_path):
    (tmp_path / "Other").write_text("FROM split-sandbox/python\nENV OTHER=1\nCOPY . /app")
    lines = build(client, tmp_path / "context", "FROM nothing", dockerfile=str(tmp_path / "Other"))
    assert "Step 2/3 : ENV OTHER=1" in lines


def test_equal_content_has_an_equal_id(client, tmp_path):
    ids = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.py").write_text("print(1)")
        os.utime(tmp_path / name / "app.py", (len(ids), len(ids)))
        build(client, tmp_path / name, "FROM split-sandbox/python\nCOPY app.py /app/")
        ids.append(client.images.get("app:v1").id)
    assert ids[0] == ids[1]


def test_a_second_build_uses_the_cache(client, tmp_path):
    dockerfile = "FROM split-sandbox/python\nCOPY . /app/"
    build(client, tmp_path / "context", dockerfile)
    assert "---> Using cache" in build(client, tmp_path / "context", dockerfile)


def test_replacing_a_public_python_image_is_in_the_progress(client, tmp_path):
    lines = build(client, tmp_path / "context", "FROM python:3.12-slim")
    assert (
        "---> python:3.12-slim is not pulled: the embedded engine uses this machine's Python "
        "instead" in lines
    )


def test_settings_are_those_of_the_dockerfile(client, tmp_path):
    dockerfile = """
        ARG BASE=python:3.12
        FROM ${BASE}
        ARG VERSION=1
        ENV VERSION=$VERSION GREETING="hello world"
        LABEL team=forum
        WORKDIR /srv
        WORKDIR app
        EXPOSE 3000
        USER nobody
        ENTRYPOINT ["python"]
        CMD ["app.py"]
    """
    options = {
        "buildargs": {"VERSION": "2", "BASE": "split-sandbox/python"},
        "labels": {"extra": "1"},
    }
    build(client, tmp_path / "context", dockerfile, **options)
    settings = client.images.get("app:v1").attrs["Config"]
    assert settings == {
        "Env": [
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "LANG=C.UTF-8",
            "VERSION=2",
            "GREETING=hello world",
        ],
        "Labels": {"team": "forum", "extra": "1"},
        "WorkingDir": "/srv/app",
        "ExposedPorts": {"3000/tcp": {}},
        "User": "nobody",
        "Entrypoint": ["python"],
        "Cmd": ["app.py"],
    }


def test_a_program_in_shell_form_runs(engine, client, tmp_path):
    build(
        client,
        tmp_path / "context",
        "FROM split-sandbox/python\nCMD python -c 'print(1 + 1)' && echo done",
    )
    assert run(engine) == ["2", "done"]


STAGES = """
    ARG BASE=split-sandbox/python
    FROM ${BASE} AS build
    ARG WORDS="one two"
    WORKDIR /src
    RUN mkdir -p out && printf '%s' "$WORDS" > out/words && chmod 600 out/words
    RUN rm /usr/local/bin/pip && mkdir /empty
    FROM build AS more
    RUN echo three >> out/words
    FROM ${BASE}
    COPY --from=more /src/out /data
    COPY --from=0 /src/out/words /data/first
    RUN test -e /usr/local/bin/pip && ! test -e /src
    CMD ["sh", "-c", "cat /data/words /data/first; stat -c ' %a' /data/words"]
"""


def test_stages_are_built_and_copied_from(engine, client, tmp_path):
    lines = build(client, tmp_path / "context", STAGES)
    assert lines[-1] == "Successfully tagged app:v1"
    assert run(engine) == ["one twothree", "one two 600"]


def test_what_a_command_deletes_is_gone_in_the_container(engine, client, tmp_path):
    dockerfile = """
        FROM split-sandbox/python
        RUN mkdir /a /b && touch /a/1 /b/1
        RUN rm -r /a /b/1 /usr/local/bin/pip && mkdir /a && touch /a/2
        CMD ls /a /b /usr/local/bin/pip
    """
    build(client, tmp_path / "context", dockerfile)
    lines = run(engine)
    assert lines == [
        "ls: cannot access '/usr/local/bin/pip': No such file or directory",
        "/a:",
        "2",
        "",
        "/b:",
    ]


def test_the_output_of_a_command_is_in_the_builds(client, tmp_path):
    dockerfile = "FROM split-sandbox/python\nRUN echo out; echo err >&2; exit 4"
    lines = build(client, tmp_path / "context", dockerfile)
    assert [line for line in lines if line in ("out", "err")] == ["out", "err"]


def test_a_command_is_not_run_twice(client, tmp_path):
    dockerfile = f"FROM split-sandbox/python\nENV T={time.time()}\nRUN date +%N > /now"
    for _ in range(2):
        lines = build(client, tmp_path / "context", dockerfile)
    assert "---> Using cache" in lines


def test_a_command_of_a_build_ends_with_the_engine(engine, client, tmp_path):
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(
        "FROM split-sandbox/python\nRUN sh -c 'echo $$ && sleep 300'\n"
    )
    stream = client.api.build(path=str(tmp_path / "context"), decode=True)
    lines = (event.get("stream", "").strip() for event in stream)
    pid = next(line for line in lines if line.isdigit())
    engine.close()
    assert not runs(pid)
    for _ in lines:  # the connection ends
        pass


def test_triggers_shell_and_volumes(engine, client, tmp_path):
    dockerfile = """
        FROM split-sandbox/python AS parent
        ONBUILD RUN echo triggered > /mark
        FROM parent
        SHELL ["/bin/sh", "-ec"]
        VOLUME /data
        STOPSIGNAL SIGINT
        HEALTHCHECK --interval=5s CMD true
        CMD cat /mark; ls -d /data
    """
    build(client, tmp_path / "context", dockerfile)
    assert run(engine) == ["triggered", "/data"]


@pytest.mark.parametrize("where", ["task definition", "image"])
def test_a_variable_is_never_rewritten(engine, client, tmp_path, where):
    dockerfile = "FROM split-sandbox/python\nWORKDIR /cart\n"
    if where == "image":
        dockerfile += "ENV PREFIX=/cart\n"
    build(client, tmp_path / "context", dockerfile + 'CMD ["sh", "-c", "echo $PREFIX; pwd"]')
    given = {"PREFIX": "/cart"} if where == "task definition" else {}
    assert run(engine, environment=given) == ["/cart", "/cart"]


def test_a_program_sees_the_image_and_not_the_machine(engine, client, tmp_path):
    build(client, tmp_path / "context", "FROM split-sandbox/python")
    code = f"import os; print(os.path.exists({str(tmp_path)!r}), os.listdir('/root'))"
    assert run(engine, command=("python", "-c", code)) == ["False []"]


def test_files_with_any_name_get_into_the_image(engine, tmp_path):
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        "FROM split-sandbox/python\nCOPY . /app/\nRUN ls /app > /seen\nCMD cat /seen | wc -l"
    )
    for name in (b"caf\xe9.txt", "naïve.txt".encode(), b"a b", b"x" * 200):
        Path(os.fsdecode(os.fsencode(context) + b"/" + name)).touch()
    (context / "out").symlink_to("/etc/passwd")
    (context / "gone").symlink_to("nowhere")
    os.mkfifo(context / "pipe")
    service = ServiceConfig(name="app", path_patterns=("/a*",), build=Build(context=context))
    build_image.plain(engine.docker_host, service, "app:v1")
    assert run(engine) == ["7"]  # four files, two links, the Dockerfile


def test_a_client_learns_what_would_be_refused_without_a_build(engine, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM nginx:1\nADD a.tgz /\n")
    found = dockerfile_refusals(engine.docker_host, Build(context=tmp_path))
    assert [line.split(":")[0] for line in found] == ["Dockerfile line 1", "Dockerfile line 2"]


@pytest.fixture
def plain(tmp_path, cache):  # noqa: ARG001 - fixtures are asked for by name
    with ExitStack() as stack:
        addresses = Addresses()
        stack.callback(addresses.close)
        engine = ProcessEngine(NO_REGISTRY, addresses, tmp_path / "run", roots=False)
        stack.callback(engine.close)
        client = docker.DockerClient(base_url=engine.docker_host)
        stack.callback(client.close)
        yield engine, client


def test_without_namespaces_a_variable_is_not_rewritten_either(plain, tmp_path):
    engine, client = plain
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "helper.py").touch()
    dockerfile = (
        "FROM split-sandbox/python\nCOPY helper.py /lib/own/\n"
        "ENV PYTHONPATH=/lib/own PREFIX=/lib/own\n"
    )
    build(client, tmp_path / "context", dockerfile)
    code = "import helper, os; print(os.environ['PREFIX'], os.environ['PYTHONPATH'])"
    assert run(engine, command=("python", "-c", code)) == ["/lib/own /lib/own"]


def test_without_namespaces_run_is_refused(plain, tmp_path):
    _, client = plain
    lines = build(client, tmp_path / "context", "FROM split-sandbox/python\nRUN true")
    assert "RUN is not supported by the embedded engine on this machine" in lines[-1]


def test_a_missing_program_is_in_the_output(engine, client, tmp_path):
    build(client, tmp_path / "context", 'FROM split-sandbox/python\nCMD ["no-such-program"]')
    assert run(engine) == ['exec: "no-such-program": executable file not found in $PATH']


def test_absolute_paths_of_the_image_are_found(engine, client, tmp_path):
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "app.py").write_text("import helper; print(helper.__name__)")
    (tmp_path / "context" / "helper.py").touch()
    dockerfile = (
        "FROM split-sandbox/python\nCOPY app.py /srv/\nCOPY helper.py /lib/own/\nENV "
        "PYTHONPATH=/lib/own\n"
    )
    build(client, tmp_path / "context", dockerfile + 'CMD ["/usr/local/bin/python", "/srv/app.py"]')
    assert run(engine) == ["helper"]


@pytest.mark.parametrize("target", ["/app", "/app/", ".", "./", "/app/."])
def test_a_file_copied_to_a_folder_lands_in_it(engine, client, tmp_path, target):
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "app.py").write_text("print('here')")
    dockerfile = (
        f"FROM split-sandbox/python\nWORKDIR /app\nCOPY app.py {target}\nCMD python /app/app.py"
    )
    build(client, tmp_path / "context", dockerfile)
    assert run(engine) == ["here"]


def test_containers_do_not_see_each_others_files(engine, client, tmp_path):
    code = "import pathlib; found = pathlib.Path('mark'); print(found.exists()); found.touch()"
    build(client, tmp_path / "context", "FROM split-sandbox/python\nWORKDIR /app")
    said = [run(engine, command=("python", "-c", code)) for _ in range(2)]
    assert said == [["False"], ["False"]]


def test_a_program_sees_nothing_of_the_sandboxs_packages(engine, client, tmp_path):
    build(client, tmp_path / "context", "FROM split-sandbox/python")
    said = run(
        engine, command=("python", "-c", "import importlib.util as u; print(u.find_spec('boto3'))")
    )
    assert said == ["None"]


def test_asyncio_servers_on_every_address_get_the_containers_own(engine, client, tmp_path):
    code = textwrap.dedent("""
        import asyncio
        async def main():
            server = await asyncio.start_server(print, None, 4000)
            print(sorted({sock.getsockname()[0] for sock in server.sockets} - {"::1"})[0])
        asyncio.run(main())
    """)
    build(client, tmp_path / "context", "FROM split-sandbox/python")
    (said,) = run(engine, command=("python", "-c", code))
    assert said.startswith("127.")


def test_a_registry_elsewhere_is_not_reached(engine):
    with pytest.raises(ImageUnavailable, match="reaches only registries on this machine"):
        engine.pull("public.ecr.aws/nginx/nginx:1")


def test_an_unsupported_request_is_refused_with_the_reason(client):
    with pytest.raises(
        docker.errors.APIError, match="the sandbox's embedded engine, which only builds"
    ):
        client.containers.create("app:v1")


def test_docker_ps_shows_the_containers(engine, client, tmp_path):
    build(client, tmp_path / "context", "FROM split-sandbox/python\nCMD sleep 300")
    container = engine.start(ContainerSpec(name="users-1", image="app:v1", stop_timeout=1), print)
    listed = client.containers.list()
    container.stop()
    assert [found.name for found in listed] == ["users-1"]


def test_the_logs_of_a_container_can_be_read(engine, client, tmp_path):
    build(client, tmp_path / "context", "FROM split-sandbox/python\nCMD echo hello && sleep 300")
    container = engine.start(ContainerSpec(name="users-1", image="app:v1", stop_timeout=1), print)
    wait_until(lambda: client.containers.get("users-1").logs() == b"hello\n")
    container.stop()


def test_an_unwritable_cache_is_replaced_by_the_sandboxs_folder(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with ExitStack() as stack:
        addresses = Addresses()
        stack.callback(addresses.close)
        stack.callback(ProcessEngine(NO_REGISTRY, addresses, tmp_path / "run").close)
        assert (tmp_path / "run" / "engine" / "cache" / "blobs").is_dir()


def test_a_build_context_cannot_write_outside_of_its_folder(client):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("Dockerfile", "../../escaped"):
            member = tarfile.TarInfo(name)
            member.size = 12
            tar.addfile(member, io.BytesIO(b"FROM scratch"))
    archive.seek(0)
    events = list(client.api.build(fileobj=archive, custom_context=True, decode=True))
    assert "escaped" in events[-1]["error"]


def test_signals_that_end_a_program_are_in_its_exit_code(engine, client, tmp_path):
    build(client, tmp_path / "context", "FROM split-sandbox/python\nCMD sleep 300")
    container = engine.start(ContainerSpec(name="app", image="app:v1"), print)
    os.kill(container.pid, signal.SIGSEGV)
    wait_until(lambda: container.exit_code() is not None)
    assert container.exit_code() == 139
