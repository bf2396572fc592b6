"""
Becomes a program in a root file system of its own: `enter.py PARENT PLAN PROGRAM ARGUMENT...`.

PLAN is a `sandbox.engine.process.run.namespaces.RootPlan` as JSON. The program gets a user and a
mount namespace, in which a plain user may mount: the image as `/`, and /proc, /dev and the network
settings of the machine. It keeps the network and the processes of the machine. Without a program
this only tries whether the kernel allows all of that.
"""

import ctypes
import json
import os
import platform
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1
_CLONE_NEWNS: Final = 0x20000
_CLONE_NEWUSER: Final = 0x10000000
_MS_BIND: Final = 0x1000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 0x40000
_MNT_DETACH: Final = 2
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def main(parent: int, plan: dict[str, Any], command: list[str]) -> None:
    """Become the program."""
    _end_with(parent)
    user, group = os.getuid(), os.getgid()
    _check(_LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
    # The kernel forgets this when the credentials change.
    _end_with(parent)
    _be_root(user, group)
    _mount_root(plan)
    _pivot(plan["root"])
    if not command:
        _try_out()
        return
    for folder in plan["folders"]:
        Path(folder).mkdir(parents=True, exist_ok=True)
    os.chdir(plan["cwd"])
    try:
        os.execvp(command[0], command)  # noqa: S606 - the whole purpose
    except (FileNotFoundError, NotADirectoryError):
        sys.exit(f'exec: "{command[0]}": executable file not found in $PATH')
    except PermissionError:
        sys.exit(f'exec: "{command[0]}": permission denied')
    except OSError as error:
        sys.exit(f'exec: "{command[0]}": {(error.strerror or "").lower()}')


def _end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(137)


def _be_root(user: int, group: int) -> None:
    """Be root in the new namespace, and the same user as before outside of it."""
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny", encoding="ascii")
    (own / "uid_map").write_text(f"0 {user} 1", encoding="ascii")
    (own / "gid_map").write_text(f"0 {group} 1", encoding="ascii")


def _mount_root(plan: dict[str, Any]) -> None:
    """Mount the image with its writable layer, and in it what every container has."""
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    lower = ":".join(map(_escaped, plan["lower"]))
    upper, work = _escaped(plan["upper"]), _escaped(plan["work"])
    options = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr"
    _mount("overlay", plan["root"], "overlay", 0, options)
    for name in plan["removed"]:
        _remove(Path(plan["root"], name))
    for source, target in plan["binds"]:
        if os.path.exists(source):  # noqa: PTH110 - what the machine does not have
            place = plan["root"] + target
            _make_place(Path(place), is_folder=Path(source).is_dir())
            _mount(source, place, None, _MS_BIND | _MS_REC)


def _remove(path: Path) -> None:
    """Delete what a layer of the image deletes."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _make_place(place: Path, *, is_folder: bool) -> None:
    """A file or folder to mount over, where the image has none."""
    if place.exists():
        return
    if is_folder:
        place.mkdir(parents=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def _pivot(root: str) -> None:
    """Make a mount the root, and let go of the old one."""
    os.chdir(root)
    number = _PIVOT_ROOT[platform.machine()]
    _check(_LIBC.syscall(number, b".", b"."), "pivot_root")
    _check(_LIBC.umount2(b".", _MNT_DETACH), "umount")
    os.chdir("/")


def _try_out() -> None:
    """Delete a folder of the image and make it again, which not every file system can record."""
    Path("/present/file").unlink()
    Path("/present").rmdir()
    Path("/present").mkdir()


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    texts = [text.encode() if text else None for text in (source, target, kind)]
    code = _LIBC.mount(*texts, ctypes.c_ulong(flags), options.encode() or None)
    _check(code, f"mount {kind or source} on {target}")


def _escaped(path: str) -> str:
    """The path as overlayfs reads it in its options."""
    for sign in ("\\", ":", ","):
        path = path.replace(sign, f"\\{sign}")
    return path


def _check(code: int, what: str) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:])
