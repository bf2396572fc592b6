"""
The database under `python -m flows.serve`: a private PostgreSQL where one can be had, SQLite
otherwise.
"""

import asyncio
import os
import pwd
import shutil
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


class NoPostgres(Exception):
    """Raised when no PostgreSQL can be had here; says why."""


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
        folder: Is there already.
        kind: `postgresql`, `sqlite`, or `auto` for the first that can be had.

    Raises:
        NoPostgres: It was asked for, and cannot be had.
    """
    if kind != "sqlite":
        try:
            async with running_postgres(folder / "postgresql") as database:
                yield database
                return
        except NoPostgres as reason:
            if kind == "postgresql":
                raise
            label = f"SQLite, because there is no PostgreSQL to be had: {reason}"
    else:
        label = "SQLite"
    yield Database(f"sqlite+aiosqlite:///{folder / 'prefect.db'}", label)


@asynccontextmanager
async def running_postgres(folder: Path) -> AsyncIterator[Database]:
    """
    A PostgreSQL of our own: it listens on a socket in its folder, which only its own account and
    root can enter.

    Args:
        folder: For its files; made when it is not there.

    Raises:
        NoPostgres: Says why.
    """
    initdb, postgres = _find("initdb"), _find("postgres")
    as_whom = await asyncio.to_thread(_prepare_folder, folder)
    if not (folder / "PG_VERSION").exists():
        await _run(
            str(initdb),
            *(
                "--pgdata",
                str(folder),
                "--username",
                _NAME,
                "--encoding",
                "UTF8",
                "--locale",
                "C.UTF-8",
            ),
            *("--auth-local", "trust", "--auth-host", "reject", "--no-sync"),
            **as_whom,
        )
    program = await Program.start(
        "PostgreSQL",
        *(str(postgres), "-D", str(folder), "-k", str(folder), "-c", "listen_addresses="),
        log=folder.parent / "postgresql.log",
        **as_whom,
    )
    async with program:
        await await_true(lambda: _answers(folder), program)
        await _ensure_database(folder)
        yield Database(
            f"postgresql+asyncpg://{_NAME}@/{_NAME}?host={folder}",
            f"PostgreSQL in {folder}",
            program,
        )


def _find(name: str) -> Path:
    """Debian keeps the servers' programs out of PATH."""
    found = shutil.which(name)
    candidates = (
        [Path(found)]
        if found
        else sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: path.parts[-3])
    )
    if not candidates:
        raise NoPostgres(
            f"{name} is neither on PATH nor in {_DEBIAN}; install the package postgresql"
        )
    return candidates[-1]


def _prepare_folder(folder: Path) -> dict[str, Any]:
    """
    Make the folder, for the account that will own it: PostgreSQL refuses to run as root.

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
    try:
        account = pwd.getpwnam(_ACCOUNT)
    except KeyError:
        raise NoPostgres(f"it refuses to run as root, and there is no account {_ACCOUNT}") from None
    closed = next((parent for parent in folder.parents if not parent.stat().st_mode & 0o001), None)
    if closed:
        raise NoPostgres(
            f"account {_ACCOUNT} cannot enter {closed}; choose another folder with --data"
        )
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


async def _run(*command: str, **keywords: Any) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd="/",
        **keywords,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise NoPostgres(f"{command[0]} failed: {out.decode().strip().splitlines()[-1]}")


async def _answers(folder: Path) -> bool:
    try:
        connection = await asyncpg.connect(host=str(folder), user=_NAME, database="template1")
    except (OSError, asyncpg.CannotConnectNowError):
        return False
    await connection.close()
    return True


async def _ensure_database(folder: Path) -> None:
    """
    Prefect's tables need the extension pg_trgm, which some distributions of
    PostgreSQL leave out.
    """
    connection = await asyncpg.connect(host=str(folder), user=_NAME, database="template1")
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _NAME):
            await connection.execute(f"CREATE DATABASE {_NAME}")
        if not await connection.fetchval(
            "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
        ):
            raise NoPostgres(
                "it lacks the extension pg_trgm; install the package postgresql-contrib"
            )
    finally:
        await connection.close()
