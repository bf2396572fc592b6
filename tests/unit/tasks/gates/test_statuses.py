"""Status gates: which shares of 2xx, 3xx and 4xx a service may have beside its monolith."""

import random

import pytest

from config.traffic import Gates
from tasks.cloudwatch.metrics import Window
from tasks.gates import Sides, judge_connections, judge_pairs, judge_statuses
from tasks.gates.chance import chance_of_as_many

GATES = Gates(min_requests=50)


def window(*responses, failed=0, seconds=60.0):
    """Responses with 2xx, 3xx and 4xx."""
    return Window(
        requests=sum(responses) + failed, failed=failed, responses=responses, seconds=seconds
    )


def verdicts(weight, service, monolith, *, early=False, gates=GATES, **others):
    """The verdict of each class that could be compared."""
    sides = Sides(weight, service, monolith, **others)
    judged = judge_statuses(gates, sides, early=early)
    return {item.gate.removeprefix("status "): item.verdict for item in judged}


def failing(*args, **others):
    return {name for name, verdict in verdicts(*args, **others).items() if verdict == "fail"}


def test_404_where_the_monolith_answers_200_fails():
    assert failing(10, window(0, 0, 60), window(540, 0, 0)) == {"4xx"}


def test_a_redirect_where_the_monolith_answers_200_fails():
    assert failing(10, window(0, 60, 0), window(540, 0, 0)) == {"3xx"}


def test_200_where_the_monolith_answers_401_fails():
    assert failing(50, window(100, 0, 0), window(0, 0, 100)) == {"2xx"}


def test_200_where_the_monolith_answers_304_passes():
    assert failing(50, window(100, 0, 0), window(20, 80, 0)) == set()


def test_a_fifth_of_404_beside_a_monolith_without_any_fails():
    assert failing(10, window(80, 0, 20), window(900, 0, 0)) == {"4xx"}


def test_one_404_of_sixty_is_chance():
    assert failing(10, window(59, 0, 1), window(540, 0, 0)) == set()


def test_few_404_fail_before_there_are_enough_requests_for_a_pass():
    assert failing(10, window(0, 0, 8), window(72, 0, 0)) == {"4xx"}
    assert verdicts(10, window(8, 0, 0), window(72, 0, 0))["4xx"] == "inconclusive"


def test_a_service_that_answers_401_as_often_as_the_monolith_passes():
    assert failing(10, window(60, 0, 40), window(540, 0, 360)) == set()


def test_404s_that_the_monolith_answers_on_other_paths_alone_do_not_hide_the_services():
    other_paths = 30
    assert failing(10, window(0, 0, 60), window(540, 0, other_paths)) == {"4xx"}


def test_a_monolith_that_fails_does_not_make_a_good_service_suspect():
    assert failing(50, window(100, 0, 0), window(20, 0, 0, failed=80)) == set()


def test_a_monolith_without_figures_does_not_make_a_good_service_suspect():
    assert failing(50, window(100, 0, 0), window(0, 0, 0)) == set()


def test_a_limit_of_1_compares_nothing():
    gates = GATES.model_copy(update={"max_status_difference": 1.0})
    assert failing(10, window(0, 0, 60), window(540, 0, 0), gates=gates) == set()


def test_404s_fail_before_the_end_of_a_bake():
    past = window(6000, 0, 0, seconds=600)
    assert failing(10, window(0, 0, 6), window(54, 0, 0, seconds=6), past=past, early=True)


def test_before_the_end_of_a_bake_missing_figures_of_the_monolith_are_no_difference():
    """CloudWatch has the service's newest figures, and none of the monolith's."""
    past = window(3000, 0, 3000, seconds=600)
    service = window(30, 0, 30)
    assert failing(10, service, window(0, 0, 0, seconds=60), past=past, early=True) == set()


def test_without_a_past_an_incomplete_window_is_not_judged():
    assert verdicts(10, window(0, 0, 60), window(540, 0, 0), early=True) == {}


def test_at_100_percent_404s_are_compared_with_the_monoliths_past():
    past = window(6000, 0, 60, seconds=600)
    assert failing(100, window(0, 0, 300), window(300, 0, 6), past=past) == {"4xx"}


def test_at_100_percent_4xx_that_the_monolith_no_longer_answers_are_the_paths_own():
    past = window(5700, 0, 300, seconds=600)
    # All of the monolith's 4xx were on these paths, and the service has them now.
    assert failing(100, window(30, 0, 30), window(540, 0, 0), past=past) == set()


def test_at_100_percent_the_service_may_answer_as_at_the_step_before():
    past = window(6000, 0, 60, seconds=600)
    earlier = window(150, 0, 150)
    service = window(150, 0, 150)
    assert failing(100, service, window(300, 0, 6), past=past, earlier=earlier) == set()


def test_at_100_percent_nothing_is_compared_without_a_past():
    assert verdicts(100, window(0, 0, 300), window(0, 0, 0)) == {}


def test_404s_on_many_other_paths_leave_the_past_to_compare_with():
    past = window(9000, 0, 1000, seconds=600)
    service = window(0, 0, 200)
    # The monolith's other 4xx would explain the service's; but these have not become fewer.
    assert failing(50, service, window(8800, 0, 980), past=past) == {"4xx"}


def test_a_status_gate_has_its_numbers():
    judged = judge_statuses(GATES, Sides(50, window(20, 0, 80), window(98, 0, 2)))
    assert judged[-1].numbers == {
        "source": "cloudwatch",
        "class": "4xx",
        "count": 80,
        "requests": 100,
        "service": 0.8,
        "monolith": 0.02,
        "limit": 0.01,
        "baseline": "monolith",
    }
    assert judged[-1].text == (
        "cloudwatch: 80.0% of 100 responses are 4xx, monolith at most 2.0%, limit +1.0%"
    )


@pytest.mark.parametrize("weight", [10, 25, 50, 90])
def test_a_service_that_answers_as_the_monolith_hardly_ever_fails(weight):
    """A thousand steps, on paths that answer 4xx to a third and 3xx to a tenth."""
    chance = random.Random(weight)  # noqa: S311 - no secret
    failed = 0
    for _ in range(1000):
        service = [0, 0, 0]
        monolith = [0, 0, 0]
        for _ in range(300):
            (kind,) = chance.choices((0, 1, 2), (0.57, 0.1, 0.33))
            side = service if chance.random() < weight / 100 else monolith
            side[kind] += 1
        failed += bool(failing(weight, window(*service), window(*monolith)))
    assert failed <= 5


def pairs(verdict_of, **others):
    judged = judge_pairs(Gates(min_requests=10), verdict_of, **others)
    return {item.gate for item in judged if item.verdict == "fail"}


def test_probes_that_get_404_from_the_service_alone_fail():
    assert pairs({(2, 2): 10, (4, 2): 10}) == {"status 4xx"}


def test_probes_that_get_200_from_the_service_alone_fail():
    assert pairs({(2, 4): 20}) == {"status 2xx"}


def test_probes_that_get_the_same_from_both_pass():
    assert pairs({(2, 2): 10, (4, 4): 10, (3, 3): 5}) == set()


def test_probes_that_now_one_and_now_the_other_answers_404_pass():
    assert pairs({(2, 2): 40, (4, 2): 5, (2, 4): 6}) == set()


def test_probes_that_fail_on_one_side_are_the_error_gates():
    assert pairs({(2, 5): 10, (0, 2): 10, (5, 4): 10}) == set()


def test_few_different_probes_are_chance():
    assert pairs({(2, 2): 30, (4, 2): 5}) == set()
    assert pairs({(2, 2): 30, (4, 2): 8}, early=True) == set()


def test_connections_that_no_target_accepts_fail():
    refused = Window(requests=100, failed=5, connection_errors=5)
    judgement = judge_connections(GATES, refused)
    assert (judgement.gate, judgement.verdict) == ("connections", "fail")


def test_one_connection_of_a_hundred_that_no_target_accepts_passes():
    assert judge_connections(GATES, Window(requests=100, connection_errors=1)).verdict == "pass"


def test_a_chance_is_that_of_the_binomial_distribution():
    assert chance_of_as_many(2, 2, 0.1) == pytest.approx(0.01)
    assert chance_of_as_many(1, 2, 0.1) == pytest.approx(0.19)
    assert chance_of_as_many(5, 5, 0.0) == 0
    assert chance_of_as_many(3, 30, 0.1) == 1
