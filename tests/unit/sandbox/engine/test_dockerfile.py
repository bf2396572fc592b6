"""How a Dockerfile's words and instructions are read."""

import pytest

from sandbox.engine.process.build.check import Abilities, find_refusals
from sandbox.engine.process.build.dockerfile import Instruction, read_dockerfile
from sandbox.engine.process.build.settings import change_settings
from sandbox.engine.process.build.words import (
    InvalidWords,
    expand,
    json_words,
    key_values,
    split_words,
)

VARIABLES = {"NAME": "users", "EMPTY": ""}


@pytest.mark.parametrize(
    ("word", "expanded"),
    [
        ("plain", "plain"),
        ("$NAME", "users"),
        ("${NAME}s", "userss"),
        ("$NAME/$NAME", "users/users"),
        ("${MISSING:-posts}", "posts"),
        ("${EMPTY:-posts}", "posts"),
        ("${NAME:-posts}", "users"),
        ("${NAME:+set}", "set"),
        ("${MISSING:+set}", ""),
        ("$MISSING", ""),
        ("${MISSING:-$NAME}", "users"),
        (r"\$NAME", "$NAME"),
        ("'$NAME'", "$NAME"),
        ('"$NAME"', "users"),
        ('"it\'s $NAME"', "it's users"),
        (r'"a\"b"', 'a"b'),
        (r'"a\nb"', r"a\nb"),
        (r"a\ b", "a b"),
    ],
)
def test_a_word_is_expanded_as_docker_does(word, expanded):
    assert expand(word, VARIABLES) == expanded


def test_a_required_variable_that_is_not_set_is_an_error():
    with pytest.raises(InvalidWords, match="MISSING: give it"):
        expand("${MISSING:?give it}", VARIABLES)


def test_words_keep_their_quotes():
    assert split_words(r"""a "b c" d='e f' g\ h""") == ["a", '"b c"', "d='e f'", r"g\ h"]


def test_an_open_quote_is_an_error():
    with pytest.raises(InvalidWords, match="a quote is not closed"):
        split_words('a "b')


def test_pairs_may_be_quoted():
    assert key_values('A=1 B="two words" C=$NAME', VARIABLES) == {
        "A": "1",
        "B": "two words",
        "C": "users",
    }


def test_the_old_form_of_env_has_one_pair():
    assert key_values("A two words", VARIABLES) == {"A": "two words"}


def test_a_word_that_is_not_a_pair_is_an_error():
    with pytest.raises(InvalidWords, match="'B' is not NAME=VALUE"):
        key_values("A=1 B", VARIABLES)


@pytest.mark.parametrize(
    ("text", "words"), [('["a", "b c"]', ["a", "b c"]), ("a b", None), ("[a]", None), ("[1]", None)]
)
def test_the_exec_form_is_a_list_of_words(text, words):
    assert json_words(text) == words


def test_continued_lines_are_one_instruction():
    read = read_dockerfile(b"FROM scratch\nENV A=1 \\\n    # why\n    B=2\nCMD x\n")
    assert [(found.line, found.name, found.value.split()) for found in read] == [
        (1, "FROM", ["scratch"]),
        (2, "ENV", ["A=1", "B=2"]),
        (5, "CMD", ["x"]),
    ]


def refusals(text, why_no_run=None):
    abilities = Abilities(why_no_run, lambda _: False)
    return [str(found) for found in find_refusals(read_dockerfile(text.encode()), {}, abilities)]


@pytest.mark.parametrize(
    "instruction",
    [
        "RUN --mount=type=cache,target=/x true",
        "RUN <<EOF\nFROM inside\nEOF",
        "COPY <<EOF /a\ntext\nEOF",
        "ADD https://example.com/a /b",
        "ADD a.tar.gz /b",
        "COPY --from=nginx:1 /a /b",
        "COPY --parents a /b",
        "ONBUILD ADD https://example.com/a /b",
        "INCLUDE other",
    ],
)
def test_an_instruction_that_needs_an_engine_is_refused_by_its_line(instruction):
    (refusal,) = refusals(f"FROM scratch\n\n{instruction}\n")
    assert refusal.startswith("Dockerfile line 3: ")
    assert refusal.endswith("; use a Docker engine: --engine docker")


def test_run_is_refused_where_the_kernel_allows_no_namespaces():
    (refusal,) = refusals("FROM scratch\nRUN true\n", why_no_run="unshare: not permitted")
    assert refusal == (
        "Dockerfile line 2: RUN true: RUN is not supported by the embedded engine on this machine "
        "(unshare: not permitted); allow user namespaces, or use a Docker engine: --engine docker"
    )


@pytest.mark.parametrize(
    "instruction",
    [
        "RUN true",
        "VOLUME /data",
        'SHELL ["bash", "-c"]',
        "ONBUILD COPY a b",
        "HEALTHCHECK CMD x",
        "HEALTHCHECK NONE",
        "COPY --from=0 /a /b",
        "STOPSIGNAL SIGINT",
        "USER nobody",
    ],
)
def test_what_this_engine_can_do_is_not_refused(instruction):
    assert refusals(f"FROM scratch\nFROM split-sandbox/python\n{instruction}\n") == []


def test_all_refusals_come_at_once():
    text = "ARG N=nginx\nFROM $N:1 AS web\nINCLUDE x\nFROM scratch\nCOPY --from=web /a /b\nADD a\n"
    lines = [line.split(":")[0] for line in refusals(text)]
    assert lines == ["Dockerfile line 2", "Dockerfile line 3", "Dockerfile line 6"]


def test_an_instruction_before_from_is_refused():
    assert "not allowed before FROM" in refusals("ENV A=1\nFROM scratch\n")[0]


def test_a_dockerfile_without_from_is_refused():
    assert refusals("# nothing\n") == ["Dockerfile: no FROM; name a base image"]


def test_a_health_check_is_kept_as_docker_keeps_it():
    settings = {}
    value = "--interval=1m30s --retries=3 CMD curl -f http://localhost/"
    change_settings(settings, Instruction(1, "HEALTHCHECK", value), {})
    assert settings["Healthcheck"] == {
        "Interval": 90 * 10**9,
        "Retries": 3,
        "Test": ["CMD-SHELL", "curl -f http://localhost/"],
    }
