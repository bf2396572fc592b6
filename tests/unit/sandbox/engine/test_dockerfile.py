"""How a Dockerfile's words and instructions are read."""

import pytest

from sandbox.engine.process.build.dockerfile import BuildRefused, read_dockerfile
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


@pytest.mark.parametrize(
    "instruction",
    ["RUN true", "VOLUME /data", "SHELL ['bash']", "ONBUILD COPY a b", "HEALTHCHECK CMD x"],
)
def test_an_instruction_that_needs_an_engine_is_refused_by_its_line(instruction):
    with pytest.raises(
        BuildRefused, match=r"^Dockerfile line 3: .*; use a Docker engine: --engine docker$"
    ):
        read_dockerfile(f"FROM scratch\n\n{instruction}\n".encode())


def test_healthcheck_none_is_accepted():
    assert read_dockerfile(b"FROM scratch\nHEALTHCHECK NONE\n")[1].name == "HEALTHCHECK"


def test_an_instruction_before_from_is_refused():
    with pytest.raises(BuildRefused, match="not allowed before FROM"):
        read_dockerfile(b"ENV A=1\nFROM scratch\n")
