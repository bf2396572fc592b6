"""What a tar can write when it is unpacked, with every version of Python."""

import io
import tarfile

import pytest

from sandbox.engine.content.contained import OutsideFolder, contained


def unpack(tmp_path, *members):
    root = tmp_path / "root"
    root.mkdir()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    made.seek(0)
    with tarfile.open(fileobj=made, mode="r|") as tar:
        tar.extractall(root, contained(tar, tar, root))  # noqa: S202 - this is what is tested
    return root


def member(name, kind=tarfile.REGTYPE, *, to="", mode=0o644):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, to, mode
    made.size = 1 if kind == tarfile.REGTYPE else 0
    return made


def test_an_absolute_name_is_unpacked_inside(tmp_path):
    assert (unpack(tmp_path, member("/etc/split-test")) / "etc" / "split-test").read_bytes() == b"x"


def test_files_of_a_read_only_folder_are_unpacked(tmp_path):
    root = unpack(tmp_path, member("closed", tarfile.DIRTYPE, mode=0o555), member("closed/file"))
    assert (root / "closed" / "file").exists()


def test_a_link_to_a_file_of_the_folder_is_unpacked(tmp_path):
    root = unpack(tmp_path, member("file"), member("same", tarfile.LNKTYPE, to="file"))
    assert (root / "same").samefile(root / "file")


def test_a_program_does_not_run_as_another_user(tmp_path):
    assert (
        unpack(tmp_path, member("program", mode=0o6777)) / "program"
    ).stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    "members",
    [
        [member("../escaped")],
        [member("link", tarfile.SYMTYPE, to=".."), member("link/escaped")],
        [member("same", tarfile.LNKTYPE, to="../escaped")],
    ],
    ids=["name", "symbolic link", "hard link"],
)
def test_nothing_leaves_the_folder(tmp_path, members):
    (tmp_path / "escaped").write_text("untouched")
    with pytest.raises(OutsideFolder, match="outside the destination"):
        unpack(tmp_path, *members)
