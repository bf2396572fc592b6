"""Image references, as Docker and ECS understand them."""

import pytest

from tasks.ecr.reference import InvalidReference, read_reference

DIGEST = "sha256:" + "a" * 64
ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nginx", ("docker.io", "library/nginx", "latest", "")),
        ("nginx:1.27", ("docker.io", "library/nginx", "1.27", "")),
        ("a/b:1", ("docker.io", "a/b", "1", "")),
        ("a/b/c", ("docker.io", "a/b/c", "latest", "")),
        ("docker.io/nginx", ("docker.io", "library/nginx", "latest", "")),
        ("index.docker.io/team/x:2", ("docker.io", "team/x", "2", "")),
        ("localhost/x", ("localhost", "x", "latest", "")),
        ("localhost:5000/x:1", ("localhost:5000", "x", "1", "")),
        ("registry:5000/x", ("registry:5000", "x", "latest", "")),
        ("[2001:db8::1]:5000/x:1", ("[2001:db8::1]:5000", "x", "1", "")),
        ("Registry/x", ("Registry", "x", "latest", "")),
        (f"ghcr.io/o/r:v1@{DIGEST}", ("ghcr.io", "o/r", "v1", DIGEST)),
        (f"nginx@{DIGEST}", ("docker.io", "library/nginx", "", DIGEST)),
        ("public.ecr.aws/nginx/nginx", ("public.ecr.aws", "nginx/nginx", "latest", "")),
        ("x/a__b-c--d.e:_", ("docker.io", "x/a__b-c--d.e", "_", "")),
    ],
)
def test_a_reference_is_read_into_its_parts(text, parts):
    read = read_reference(text)
    assert (read.registry, read.repository, read.tag, read.digest) == parts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a repository"),
        ("Nginx:1", "write the repository in lower case"),
        ("nginx:", "is not a tag"),
        ("nginx:1@sha256:short", "is not a digest"),
        ("nginx@", "is not a digest"),
        ("a//b", "is not a repository"),
        ("/nginx", "is not a repository"),
        ("https://example.com/nginx", "is not a"),
        ("ex_ample.com/x", "is not a host name"),
        ("a/b:" + "t" * 129, "is not a tag"),
        ("a" * 64, "looks like an image id"),
        ("x/" + "y" * 300, "ECS allows 255"),
    ],
)
def test_what_docker_refuses_is_refused_with_the_reason(text, reason):
    with pytest.raises(InvalidReference, match=reason):
        read_reference(text)


@pytest.mark.parametrize(
    ("text", "registry"),
    [
        (f"{ECR}/users:1", ("123456789012", "eu-central-1")),
        (
            "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/a/b",
            ("123456789012", "us-gov-west-1"),
        ),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a", ("123456789012", "cn-north-1")),
        ("123456789012.dkr-ecr.eu-west-1.on.aws/a", ("123456789012", "eu-west-1")),
        ("public.ecr.aws/nginx/nginx", None),
        ("nginx", None),
        ("registry.example.com/123456789012.dkr.ecr/x", None),
    ],
)
def test_account_and_region_of_ecr_are_in_its_host_name(text, registry):
    assert read_reference(text).ecr == registry


def test_a_digest_takes_the_place_of_the_tag():
    assert read_reference("nginx:1.27").pin(DIGEST) == f"nginx@{DIGEST}"
    assert read_reference("localhost:5000/a/b:1").pin(DIGEST) == f"localhost:5000/a/b@{DIGEST}"
