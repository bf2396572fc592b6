"""Which paths a .dockerignore leaves out: examples of Docker's documentation."""

import pytest

from tasks.ecr.context.dockerignore import read_ignores


def is_ignored(patterns, path):
    """Walks down to the path, as a context is read."""
    ignores = read_ignores(patterns if isinstance(patterns, bytes) else patterns.encode())
    matched = ignores.root
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        matched = ignores.match("/".join(parts[:depth]), matched)
    return ignores.is_ignored(matched)


@pytest.mark.parametrize(
    ("patterns", "path"),
    [
        ("*/temp*", "somedir/temporary.txt"),
        ("*/temp*", "somedir/temp"),
        ("*/*/temp*", "somedir/subdir/temporary.txt"),
        ("temp?", "tempa"),
        ("**/*.go", "a/b/c.go"),
        ("**/*.go", "c.go"),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md"),
        ("node_modules", "node_modules/x/y.js"),
        ("**/node_modules", "packages/a/node_modules/b/c.js"),
        ("/foo", "foo"),
        ("foo/", "foo/bar"),
        ("./foo/../bar", "bar"),
        ("**", "anything/at/all"),
        ("dir/**", "dir/a/b"),
        ("**/dir/**", "x/dir/file"),
        ("a/**/b", "a/b"),
        ("a/**/b", "a/x/y/b"),
        ("[a-c].txt", "b.txt"),
        ("[^a].txt", "b.txt"),
        ("a\\*b", "a*b"),
        ("  spaced.txt  ", "spaced.txt"),
        ("\ufefffirst", "first"),
        ("# comment\nreal", "real"),
        ("*.log\r\n", "a.log"),
        ("**log", "a.log"),
        ("a(b)+c", "a(b)+c"),
        (b"caf\xe9", b"caf\xe9".decode("utf-8", "surrogateescape")),
    ],
)
def test_a_matching_path_is_left_out(patterns, path):
    assert is_ignored(patterns, path)


@pytest.mark.parametrize(
    ("patterns", "path"),
    [
        ("*/temp*", "temp"),
        ("*/temp*", "a/b/temp"),
        ("temp?", "temp"),
        ("temp?", "temp/"[:-1] + "orary"),
        ("*.md\n!README.md", "README.md"),
        ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md"),
        ("*.go", "sub/c.go"),
        (".", "a"),
        ("../outside", "outside/x"),
        ("dir/**", "dir"),
        ("#real", "#real"),
        ("docs\n!docs/keep.md", "docs/keep.md"),
        ("docs\n!**/*.md", "docs/deep/keep.md"),
        ("a.b", "axb"),
        ("", "a"),
    ],
)
def test_any_other_path_is_sent(patterns, path):
    assert not is_ignored(patterns, path)


@pytest.mark.parametrize(
    ("patterns", "folder", "may"),
    [
        ("docs\n!docs/keep.md", "docs", True),
        ("docs\n!docs/keep.md", "docs/other", False),
        ("docs\n!**/*.md", "docs/deep", True),
        ("docs\n!docs/*/a.md", "docs/deep", True),
        ("docs\n!other/*.md", "docs", False),
        ("docs", "docs", False),
    ],
)
def test_an_ignored_folder_is_read_only_if_something_in_it_may_be_kept(patterns, folder, may):
    assert read_ignores(patterns.encode()).may_keep_below(folder) is may


@pytest.mark.parametrize(
    ("patterns", "reason"),
    [("a\n!", "line 2: '!' names nothing"), ("[a", "line 1: '\\[a' is not a valid pattern")],
)
def test_a_line_that_docker_refuses_is_refused_with_its_number(patterns, reason):
    with pytest.raises(ValueError, match=reason):
        read_ignores(patterns.encode())
