"""ALB path patterns against a brute-force reading of the same words."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.path_pattern import covers, is_valid, matches, overlaps

SHORT = st.text(alphabet="ab*?", max_size=5)
WORDS = [
    "".join(letters) for length in range(9) for letters in itertools.product("ab", repeat=length)
]
# The third letter stands for all the others: without it `*` would seem to be no more than a row of
# `a` and `b`.
WORDS_OF_THREE = [
    "".join(letters) for length in range(7) for letters in itertools.product("abc", repeat=length)
]
LONGEST = "/" + "aaaaaaaaaaaaaaaaaaaaaaaa*" * 5 + "bb"


def brute_force(pattern: str, path: str) -> bool:
    """`*` takes every possible number of characters in turn."""
    if not pattern:
        return not path
    if pattern[0] == "*":
        return any(brute_force(pattern[1:], path[taken:]) for taken in range(len(path) + 1))
    return bool(path) and pattern[0] in ("?", path[0]) and brute_force(pattern[1:], path[1:])


@given(SHORT, st.text(alphabet="abc", max_size=8))
def test_matches_agrees_with_brute_force(pattern, path):
    assert matches(pattern, path) == brute_force(pattern, path)


# Where there is a common path, there is one as long as both patterns' letters together: at most
# eight.
@given(st.text(alphabet="ab*?", max_size=4), st.text(alphabet="ab*?", max_size=4))
def test_overlaps_says_whether_a_common_path_exists(one, other):
    assert overlaps(one, other) == any(
        matches(one, word) and matches(other, word) for word in WORDS
    )


@given(SHORT, SHORT)
def test_overlaps_is_symmetric(one, other):
    assert overlaps(one, other) == overlaps(other, one)


@given(SHORT, SHORT)
def test_a_covering_pattern_matches_whatever_the_covered_one_matches(wide, narrow):
    if covers(wide, narrow):
        assert [
            word for word in WORDS_OF_THREE if matches(narrow, word) and not matches(wide, word)
        ] == []


# `?` beside `*` is where `covers` may be over-cautious, so it is left out here.
@given(st.text(alphabet="ab*", max_size=4), st.text(alphabet="ab*", max_size=4))
def test_without_question_marks_a_pattern_covers_exactly_what_it_should(wide, narrow):
    missed = [word for word in WORDS_OF_THREE if matches(narrow, word) and not matches(wide, word)]
    assert covers(wide, narrow) == (not missed)


@given(SHORT)
def test_every_pattern_covers_itself(pattern):
    assert covers(pattern, pattern)


@given(SHORT)
def test_a_star_covers_everything(pattern):
    assert covers("*", pattern)


@given(SHORT, st.text(alphabet="ab", max_size=6))
def test_covering_a_literal_path_is_matching_it(pattern, path):
    assert covers(pattern, path) == matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/api/users*", "/api/users", True),
        ("/api/users*", "/api/users/1/posts", True),
        ("/api/*/posts", "/api/users/1/posts", True),
        ("/api/users", "/api/users/", False),
        ("/api/?", "/api/", False),
        ("/api/?", "/api//", True),
        ("/a.b", "/axb", False),
        ("/a+", "/aa", False),
        ("/a*", "/a\nb", True),
        ("*", "/anything/at/all", True),
    ],
)
def test_a_pattern_matches_as_the_load_balancer_does(pattern, path, expected):
    assert matches(pattern, path) is expected


def test_a_pattern_matches_case_sensitively():
    assert not matches("/API/*", "/api/users")


def test_patterns_of_other_case_do_not_overlap():
    assert not overlaps("/API/*", "/api/*")


def test_a_pattern_does_not_cover_its_own_other_case():
    assert not covers("/API/*", "/api/users")


@pytest.mark.parametrize(
    "pattern", ["/", "/*", "*", "*.jpg", "/a-b_c.d$e~f\"g'h@i:j+k&l", "/api/?/x"]
)
def test_a_pattern_that_a_path_can_match_is_valid(pattern):
    assert is_valid(pattern)


@pytest.mark.parametrize(
    "pattern", ["", "api", "/a b", "/a\n", "/a#b", "/ä", "/a%20b", "/a,b", "https://x/"]
)
def test_a_pattern_that_no_path_can_match_is_not_valid(pattern):
    assert not is_valid(pattern)


@pytest.mark.parametrize("compare", [overlaps, covers])
def test_comparing_the_longest_patterns_is_quick(compare):
    compare.cache_clear()
    start = time.perf_counter()
    compare(LONGEST, LONGEST[:-1] + "c")
    assert (len(LONGEST), LONGEST.count("*")) == (128, 5)
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("compare", [overlaps, covers])
def test_comparing_does_not_recurse(compare):
    assert compare("/" + "a" * 5000 + "*", "/" + "a" * 5000)
