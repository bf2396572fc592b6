"""`python -m sandbox`: with the forum, with a complete state, and gone without a trace."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import docker
import pytest

from config.load import load_config
from tasks.discovery import read_monolith
from tests.processes import is_alive

ROOT = Path(__file__).parents[3]
DENIED = "deny=CreateCluster"
KEYS = ["endpoint_url", "docker_host", "alb_url", "alb_addresses", "engine", "config", "pid"]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def containers(running, pid):
    """Docker's containers of the sandbox with that pid, running or not."""
    engine = docker.DockerClient(base_url=running.state["docker_host"])
    try:
        return engine.containers.list(all=True, filters={"label": f"split-sandbox={pid}"})
    finally:
        engine.close()


def test_the_monolith_answers_through_the_load_balancer(sandbox):
    status, headers, body = sandbox.get("/api/users")
    assert (status, headers["X-Served-By"], len(json.loads(body))) == (200, "monolith", 4)


@pytest.mark.parametrize("path", ["/", "/api", "/api/threads", "/api/posts/in-thread/1"])
def test_every_path_is_the_monoliths(sandbox, path):
    assert sandbox.get(path)[1]["X-Served-By"] == "monolith"


def test_the_state_has_every_address(sandbox):
    assert list(sandbox.state) == KEYS
    assert None not in sandbox.state.values()


def test_a_load_balancer_with_one_node_has_one_address(sandbox):
    assert sandbox.state["alb_addresses"] == [urlsplit(sandbox.state["alb_url"]).hostname]


def test_the_state_file_holds_what_was_printed(sandbox):
    assert json.loads(sandbox.state_file.read_text()) == sandbox.state


def test_the_pid_is_that_of_the_program(sandbox):
    assert sandbox.state["pid"] == sandbox.process.pid


@pytest.mark.parametrize("key", ["endpoint_url", "docker_host", "alb_url"])
def test_everything_listens_on_loopback_addresses(sandbox, key):
    assert urlsplit(sandbox.state[key]).hostname.startswith("127.")


def test_the_docker_host_is_one_that_docker_clients_can_talk_to(sandbox):
    engine = docker.DockerClient(base_url=sandbox.state["docker_host"])
    try:
        assert engine.ping()
    finally:
        engine.close()


def test_the_config_is_a_complete_split(sandbox):
    config = load_config(Path(sandbox.state["config"]))
    assert [service.name for service in config.services] == ["users", "posts", "threads"]


def test_the_config_names_this_sandbox(sandbox):
    config = load_config(Path(sandbox.state["config"]))
    assert (config.aws.endpoint_url, config.docker_host) == (
        sandbox.state["endpoint_url"],
        sandbox.state["docker_host"],
    )


def test_the_config_allows_the_drain(sandbox):
    monolith = load_config(Path(sandbox.state["config"])).monolith
    assert (monolith.drain, monolith.default_action.action) == ("auto", "forward")


def test_the_configs_build_contexts_exist(sandbox):
    config = load_config(Path(sandbox.state["config"]))
    contexts = [service.build.context for service in config.services]
    assert [
        context
        for context in contexts
        if not (context.is_absolute() and (context / "Dockerfile").is_file())
    ] == []


def test_only_its_user_can_read_the_credentials(sandbox):
    credentials = load_config(Path(sandbox.state["config"])).aws.shared_credentials_file
    assert stat.S_IMODE(credentials.parent.stat().st_mode) == 0o700


def test_the_product_finds_the_monolith_by_the_config(sandbox):
    config = load_config(Path(sandbox.state["config"]))
    monolith, _, _ = read_monolith(config.aws, config.cluster, config.monolith.service)
    assert (monolith.target_group_name, monolith.desired_count) == ("forum-monolith-tg", 2)


def test_the_monolith_is_stable(sandbox):
    waiter = sandbox.boto("ecs").get_waiter("services_stable")
    waiter.wait(
        cluster="forum", services=["monolith"], WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )


def test_the_monolith_scales_by_itself(sandbox):
    targets = sandbox.boto("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs"
    )
    assert [target["ResourceId"] for target in targets["ScalableTargets"]] == [
        "service/forum/monolith"
    ]


def test_the_monoliths_rule_has_the_labs_path_and_priority(sandbox):
    elb = sandbox.boto("elbv2")
    balancer = elb.describe_load_balancers(Names=["forum"])["LoadBalancers"][0]["LoadBalancerArn"]
    listener = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]["ListenerArn"]
    rules = {rule["Priority"]: rule for rule in elb.describe_rules(ListenerArn=listener)["Rules"]}
    assert sorted(rules) == ["99", "default"]
    assert rules["99"]["Conditions"][0]["PathPatternConfig"]["Values"] == ["/api*"]


@pytest.fixture(scope="module")
def faulty(start_module_sandbox):
    """A second sandbox with the forum, in which every call of a user fails."""
    return start_module_sandbox("--faults", "error=1,deny=CreateRule")


def test_an_error_of_moto_is_an_aws_error(sandbox):
    elb = sandbox.boto("elbv2")
    with pytest.raises(elb.exceptions.TargetGroupNotFoundException):
        elb.describe_target_groups(Names=["absent"])


def test_making_the_forum_is_not_recorded(faulty):
    assert faulty.record_file.read_text() == ""


def test_faults_do_not_affect_making_the_forum(faulty):
    assert faulty.get("/api/users")[0] == 200


def test_two_sandboxes_run_side_by_side(sandbox, faulty):
    assert urlsplit(faulty.state["alb_url"]).hostname != urlsplit(sandbox.state["alb_url"]).hostname
    assert faulty.get("/api/users")[0] == sandbox.get("/api/users")[0] == 200


@pytest.fixture(scope="module")
def empty(start_module_sandbox):
    """A sandbox without the forum, in which no cluster can be created."""
    return start_module_sandbox("--no-forum", "--faults", DENIED)


def test_without_the_forum_the_account_is_empty(empty):
    assert (empty.state["alb_url"], empty.state["config"]) == (None, None)
    assert empty.boto("ecs").list_clusters()["clusterArns"] == []


def test_a_users_call_is_recorded(empty):
    empty.boto("logs").create_log_group(logGroupName="mine")
    call = empty.record()[-1]
    assert (call["service"], call["action"], call["mutating"]) == ("logs", "CreateLogGroup", True)


def test_faults_affect_users(empty):
    ecs = empty.boto("ecs")
    with pytest.raises(ecs.exceptions.ClientError, match="AccessDenied"):
        ecs.create_cluster(clusterName="mine")


def test_faults_can_be_changed_while_it_runs(empty):
    empty.faults("")
    ecs = empty.boto("ecs")
    ecs.create_cluster(clusterName="mine")
    ecs.delete_cluster(cluster="mine")
    empty.faults(DENIED)


# The forum has tasks and a load balancer to end; that every signal is handled needs none.
@pytest.mark.parametrize(
    ("number", "arguments"),
    [(signal.SIGTERM, []), (signal.SIGINT, ["--no-forum"]), (signal.SIGHUP, ["--no-forum"])],
)
def test_a_signal_ends_it_with_no_process_and_no_file_left(start_sandbox, number, arguments):
    running = start_sandbox(*arguments)
    code, left = running.end(number)
    assert (code, left) == (0, []), running.log.read_text()
    assert sorted(path.name for path in running.directory.iterdir()) == [
        "record.jsonl",
        "sandbox.log",
    ]


def test_ctrl_c_in_a_terminal_ends_the_sandbox_before_its_load_balancer(start_sandbox):
    running = start_sandbox()
    # A terminal sends SIGINT to the whole group; a second Ctrl-C has no effect.
    for _ in range(2):
        os.killpg(running.process.pid, signal.SIGINT)
    code, left = running.end(signal.SIGINT)
    assert (code, left) == (0, []), running.log.read_text()
    assert "HAProxy" not in running.log.read_text()


def test_a_signal_before_it_is_ready_ends_it_too():
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--engine", "process"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert "engine" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        assert process.wait(60) == 0
        drain.join()


# The kernel may deliver a signal to any thread, and Python runs its handlers only in the main one.
SIGNAL_TO_ANOTHER_THREAD = """
import signal, threading, time
from sandbox.cli import _stop_on_signals
stop = _stop_on_signals()
def send():
    while not stop._cond._waiters:
        time.sleep(0.01)
    time.sleep(0.1)  # until the main thread has gone from there to the kernel
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    threading.Event().wait()
threading.Thread(target=send, daemon=True).start()
stop.wait()
"""


def test_a_signal_that_another_thread_receives_ends_it_too():
    command = [sys.executable, "-c", SIGNAL_TO_ANOTHER_THREAD]
    assert subprocess.run(command, cwd=ROOT, timeout=30, check=False).returncode == 0


def test_a_killed_sandbox_leaves_no_process(start_sandbox):
    running = start_sandbox()
    started = running.descendants()
    running.process.kill()
    running.process.communicate()
    wait_until(lambda: not any(map(is_alive, started)))


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_files_of_a_killed_sandbox_are_removed_by_the_next_one(start_sandbox):
    killed = start_sandbox("--no-forum")
    killed.process.kill()
    killed.process.communicate()
    (left,) = killed.directory.glob("split-sandbox-run-*")
    start_sandbox("--no-forum", directory=killed.directory)
    assert not left.exists()


def test_the_files_of_a_running_sandbox_stay(sandbox, start_sandbox):
    start_sandbox("--no-forum", directory=sandbox.directory)
    assert Path(sandbox.state["config"]).is_file()


@pytest.mark.docker
def test_the_forum_runs_on_a_real_docker_engine_and_leaves_no_container(start_sandbox):
    running = start_sandbox("--engine", "docker")
    assert running.state["engine"] == "docker"
    assert running.get("/api/users")[1]["X-Served-By"] == "monolith"
    pid = running.state["pid"]
    assert (len(containers(running, pid)), running.end(), containers(running, pid)) == (
        2,
        (0, []),
        [],
    )


@pytest.mark.docker
def test_a_killed_sandbox_leaves_no_docker_container(start_sandbox):
    running = start_sandbox("--engine", "docker")
    started = running.descendants()
    running.process.kill()
    running.process.communicate()
    pid = running.state["pid"]
    wait_until(lambda: containers(running, pid) == [])
    wait_until(lambda: not any(map(is_alive, started)))


def test_docker_that_does_not_answer_is_bad_input(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    done = run("--engine", "docker")
    assert (done.returncode, done.stdout) == (2, "")
    assert "127.0.0.1:9" in done.stderr


def test_a_taken_port_is_bad_input():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--engine", "process", "--api-port", str(port))
    assert done.returncode == 2
    assert f"port {port}: Address already in use; give another one" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--faults", "rain=1"], "'rain=1' is not valid; use throttle="),
        (["--engine", "lxc"], "invalid choice: 'lxc'"),
        (["--api-port", "http"], "http: not a port number"),
        (["--nodes", "0"], "0: not a number of nodes"),
        (
            ["--state-file", "/nowhere/state.json"],
            "/nowhere/state.json: the folder does not exist",
        ),
        (["--speed", "9"], "unrecognized arguments"),
    ],
)
def test_bad_arguments_are_reported(arguments, message):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
