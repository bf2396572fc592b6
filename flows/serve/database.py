"""
The database of `python -m flows.serve`: a private PostgreSQL where it is installed, SQLite
otherwise.
"""

import asyncio
import os
import pwd
import shutil
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it has no types

from flows.runtime.process import Program, await_true

__all__ = ["Database", "NoPostgres", "running_database", "running_postgres"]

_DEBIAN: Final = Path("/usr/lib/postgresql")
_ACCOUNT: Final = "postgres"
_NAME: Final = "prefect"
_SOCKET_PATH_MAX: Final = 107
_HAS_DATABASE: Final = "SELECT 1 FROM pg_database WHERE datname = $1"
_HAS_EXTENSION: Final = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"


class NoPostgres(Exception):
    """Raised when PostgreSQL is not available on this machine; its message is the reason."""


@dataclass(frozen=True)
class Database:
    """Where the Prefect server keeps its records."""

    url: str
    """For PREFECT_API_DATABASE_CONNECTION_URL."""
    label: str
    """For a person."""
    program: Program | None = None
    """The database's own program, if it has one."""


@asynccontextmanager
async def running_database(folder: Path, kind: str) -> AsyncIterator[Database]:
    """
    A database with its files in a folder.

    Args:
        folder: An existing one.
        kind: `postgresql`, `sqlite`, or `auto` for PostgreSQL where it is available.

    Raises:
        NoPostgres: PostgreSQL was asked for, and is not available.
    """
    label = "SQLite"
    if kind != "sqlite":
        try:
            async with running_postgres(folder / "postgresql") as database:
                yield database
                return
        except NoPostgres as reason:
            if kind == "postgresql":
                raise
            label = f"SQLite, because PostgreSQL is not available: {reason}"
    yield Database(f"sqlite+aiosqlite:///{folder / 'prefect.db'}", label)


@asynccontextmanager
async def running_postgres(folder: Path) -> AsyncIterator[Database]:
    """
    A private PostgreSQL: it listens on a socket in its folder, which only its own account and root
    can enter.

    Args:
        folder: For its files; created where it does not exist.

    Raises:
        NoPostgres: It is not available.
    """
    initdb = _find("initdb")
    postgres = _find("postgres")
    account = await asyncio.to_thread(_prepare_folder, folder)
    if not (folder / "PG_VERSION").exists():
        await _create(initdb, folder, account)

    async with await _start(postgres, folder, account) as program:
        await await_true(lambda: _answers(folder), program)
        await _ensure_database(folder)
        url = f"postgresql+asyncpg://{_NAME}@/{_NAME}?host={folder}"
        yield Database(url, f"PostgreSQL in {folder}", program)


async def _start(postgres: Path, folder: Path, account: dict[str, Any]) -> Program:
    return await Program.start(
        "PostgreSQL",
        *(str(postgres), "-D", str(folder), "-k", str(folder)),
        *("-c", "listen_addresses="),
        log=folder.parent / "postgresql.log",
        # With SIGINT it ends its connections; with SIGTERM it would wait for them.
        end_signal=signal.SIGINT,
        cwd="/",
        **account,
    )


def _find(name: str) -> Path:
    """Debian keeps the servers' programs out of PATH."""
    found = shutil.which(name)
    if found:
        return Path(found)

    installed = list(_DEBIAN.glob(f"*/bin/{name}"))
    if not installed:
        raise NoPostgres(
            f"{name} is neither on PATH nor in {_DEBIAN}; install the package postgresql"
        )
    return max(installed, key=_version)


def _version(program: Path) -> str:
    """From `/usr/lib/postgresql/15/bin/initdb`."""
    return program.parts[-3]


def _prepare_folder(folder: Path) -> dict[str, Any]:
    """
    Create the folder, for the account that will own it: PostgreSQL refuses to run as root.

    Returns:
        Keywords that start a program as that account.
    """
    if len(str(folder / ".s.PGSQL.5432")) > _SOCKET_PATH_MAX:
        raise NoPostgres(
            f"the path of {folder} is too long for a socket in it; choose a shorter one with --data"
        )
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() != 0:
        return {}

    user, group = _find_account()
    _check_enterable(folder)
    os.chown(folder, user, group)
    return {"user": user, "group": group, "extra_groups": []}


def _find_account() -> tuple[int, int]:
    """User and group id of the account that runs PostgreSQL."""
    try:
        account = pwd.getpwnam(_ACCOUNT)
    except KeyError:
        raise NoPostgres(f"it refuses to run as root, and there is no account {_ACCOUNT}") from None
    return account.pw_uid, account.pw_gid


def _check_enterable(folder: Path) -> None:
    for parent in folder.parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            raise NoPostgres(
                f"account {_ACCOUNT} cannot enter {parent}; choose another folder with --data"
            )


async def _create(initdb: Path, folder: Path, account: dict[str, Any]) -> None:
    """Create the files of a new PostgreSQL."""
    process = await asyncio.create_subprocess_exec(
        *(str(initdb), "--pgdata", str(folder), "--username", _NAME),
        *("--encoding", "UTF8", "--locale", "C.UTF-8"),
        *("--auth-local", "trust", "--auth-host", "reject", "--no-sync"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd="/",
        **account,
    )
    output, _ = await process.communicate()
    if process.returncode:
        lines = output.decode().strip().splitlines()
        raise NoPostgres(f"{initdb} failed: {lines[-1]}")


async def _answers(folder: Path) -> bool:
    try:
        connection = await _connect(folder)
    except (OSError, asyncpg.CannotConnectNowError):
        return False
    await connection.close()
    return True


async def _connect(folder: Path) -> Any:
    return await asyncpg.connect(host=str(folder), user=_NAME, database="template1")


async def _ensure_database(folder: Path) -> None:
    """
    Create Prefect's database.

    Its tables need the extension pg_trgm, which some distributions of PostgreSQL leave out.
    """
    connection = await _connect(folder)
    try:
        if not await connection.fetchval(_HAS_DATABASE, _NAME):
            await connection.execute(f"CREATE DATABASE {_NAME}")
        if not await connection.fetchval(_HAS_EXTENSION):
            raise NoPostgres(
                "it lacks the extension pg_trgm; install the package postgresql-contrib"
            )
    finally:
        await connection.close()
