"""A forum that has been split already, with its own sources and users that never stop calling."""

import shutil

import yaml

from config.load import load_config
from tests.e2e import aws_state
from tests.e2e.configs import edited_config, quick
from tests.placed import place

__all__ = ["PATHS", "Forum"]

PATHS = {"users": "/api/users/1", "posts": "/api/posts/in-thread/1", "threads": "/api/threads/2"}


class Forum:
    """
    The services of the forum, placed with all of their traffic, and a client that calls them.

    Args:
        sandbox: Its AWS.
        directory: For its config and the sources of its services.
        start_run, start_client: The fixtures of these names.
        services: The services that are placed.
        *edits: Of its config.
    """

    def __init__(
        self, sandbox, directory, start_run, start_client, *edits, services=aws_state.SERVICES
    ):
        self.sandbox = sandbox
        self.services = services
        self._start = start_run
        self._sources = directory / "sources"
        self.path = edited_config(sandbox, directory, quick, self._give_sources, *edits)
        config = load_config(self.path)
        for name in services:
            place(config, name, 100)
        self.client = start_client(sandbox, *(PATHS[name] for name in services))

    def _give_sources(self, config):
        config["monolith"]["drain"] = "never"
        for service in config["services"]:
            own = self._sources / service["name"]
            shutil.copytree(service["build"]["context"], own)
            service["build"]["context"] = str(own)

    def source(self, name):
        """The program of a service."""
        return self._sources / name / "app.py"

    def change(self, name):
        """Give a service other content, which answers as before."""
        with self.source(name).open("a") as source:
            source.write("\n# Changed.\n")

    def edit(self, edit):
        """Change the services in the config, by name."""
        config = yaml.safe_load(self.path.read_text())
        edit({service["name"]: service for service in config["services"]})
        self.path.write_text(yaml.safe_dump(config))

    def redeploy(self, *arguments):
        """Run it to its end; returns the run, with its changes of AWS as `calls`."""
        before = len(self.sandbox.record())
        run = self.start_redeploy(*arguments)
        run.wait()
        run.calls = self.sandbox.changes(before)
        return run

    def start_redeploy(self, *arguments):
        """Start it; returns the run."""
        return self._start(self.path, *arguments, module="flows.redeploy")

    def running(self):
        """{service: (revision, ids of its tasks)}."""
        ecs = self.sandbox.boto("ecs")
        found = {}
        for name in self.services:
            (service,) = ecs.describe_services(cluster="forum", services=[name])["services"]
            tasks = ecs.list_tasks(cluster="forum", serviceName=name)["taskArns"]
            found[name] = (service["taskDefinition"], tuple(sorted(tasks)))
        return found
