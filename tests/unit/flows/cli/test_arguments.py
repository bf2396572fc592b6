"""What every command does with its arguments."""

import json
import sys

import pytest

from flows import redeploy, rollback, split, status, teardown

COMMANDS = {
    "split": split.main,
    "redeploy": redeploy.main,
    "rollback": rollback.main,
    "teardown": teardown.main,
    "status": status.main,
}


@pytest.fixture(autouse=True)
def other_program(monkeypatch):
    """The arguments of the program that runs the tests are not the command's."""
    monkeypatch.setattr(sys, "argv", ["pytest"])


@pytest.mark.parametrize("main", COMMANDS.values(), ids=COMMANDS)
def test_a_bad_argument_exits_with_2_and_one_json_object(main, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["split.yaml", "--json", "--dry-run"])
    printed = json.loads(capsys.readouterr().out)
    assert ended.value.code == 2
    assert (printed["status"], printed["events"]) == ("refused", [])
    assert "--dry-run" in printed["error"]


def test_without_json_a_bad_argument_leaves_stdout_alone(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest", "--json"])
    with pytest.raises(SystemExit):
        split.main(["split.yaml", "--dry-run"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("main", COMMANDS.values(), ids=COMMANDS)
def test_a_config_that_is_missing_is_refused_with_every_key(main, tmp_path, capsys):
    code = main([str(tmp_path / "nowhere.yaml"), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert (code, printed["status"]) == (2, "refused")
    assert {"engine", "services", "monolith", "traffic", "alb_url", "events"} <= set(printed)


@pytest.mark.parametrize("main", COMMANDS.values(), ids=COMMANDS)
def test_help_fits_into_80_columns(main, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
