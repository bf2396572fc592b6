"""The live client's log: counting, and reading while it is being written."""

import pytest

from flows.report.client_log import ClientLog, LoggedRequest, percentile, read_client_log, summarize


def logged(
    t: float = 0.0, status: int = 200, backend: str | None = "users", latency: float = 0.01
) -> LoggedRequest:
    return LoggedRequest(t, "/users", status, backend, latency, None if status else "no response")


def test_a_line_is_parsed_to_the_same_request():
    assert LoggedRequest.parse(logged().line()) == logged()


def test_a_line_of_another_file_is_rejected():
    with pytest.raises(ValueError, match="not a line of the client's log"):
        LoggedRequest.parse('{"hello": 1}')


@pytest.mark.parametrize(
    ("status", "failed"),
    [(0, True), (200, False), (302, False), (404, False), (500, True), (503, True)],
)
def test_failed_means_5xx_or_no_response(status, failed):
    assert logged(status=status).failed is failed


def test_a_request_without_a_response_has_no_backend():
    assert summarize([logged(status=0)]).by_backend == {}


def test_failures_are_grouped_by_reason(tmp_path):
    log = ClientLog(tmp_path / "a")
    (tmp_path / "a").write_text(logged(status=503).line() * 3 + logged(status=0).line())
    log.poll()
    assert log.tally.errors == {"HTTP 503 on /users": 3, "no response": 1}


def test_a_log_that_does_not_exist_yet_is_empty(tmp_path):
    assert ClientLog(tmp_path / "a").poll() == []


def test_each_line_of_a_growing_log_is_read_once(tmp_path):
    log = ClientLog(tmp_path / "a")
    for number in range(3):
        with (tmp_path / "a").open("a") as file:
            file.write(logged(t=number).line())
        assert [found.t for found in log.poll()] == [number]


def test_an_incomplete_line_is_read_once_it_is_complete(tmp_path):
    log, line = ClientLog(tmp_path / "a"), logged().line()
    (tmp_path / "a").write_text(line + line[:20])
    log.poll()
    (tmp_path / "a").write_text(line + line)
    assert len(log.poll()) == 1


def test_the_incomplete_last_line_of_a_killed_client_is_ignored(tmp_path):
    (tmp_path / "a").write_text(logged().line() + logged().line()[:20])
    assert len(list(read_client_log(tmp_path / "a"))) == 1


def test_the_rate_is_that_of_the_recent_window(tmp_path):
    log = ClientLog(tmp_path / "a", window=2)
    (tmp_path / "a").write_text(
        "".join(logged(t=t / 10).line() for t in [*range(100), *range(100, 120, 2)])
    )
    log.poll()
    assert log.rate == pytest.approx(7, abs=1.5)


def test_shares_are_those_of_the_recent_window(tmp_path):
    log = ClientLog(tmp_path / "a", window=1)
    old = "".join(logged(t=t, backend="monolith").line() for t in range(10))
    (tmp_path / "a").write_text(old + logged(t=20).line())
    log.poll()
    assert log.shares() == {"users": 1.0}


@pytest.mark.parametrize(("share", "value"), [(0.5, 5), (0.95, 10), (0.0, 1), (1.0, 10)])
def test_a_percentile_is_one_of_the_values(share, value):
    assert percentile(range(10, 0, -1), share) == value


def test_no_values_have_no_percentile():
    assert percentile([], 0.5) is None
