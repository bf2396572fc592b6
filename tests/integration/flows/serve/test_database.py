"""
The database of `make serve`: PostgreSQL where it is available, and the reason where it is not.
"""

import shutil
import tempfile
from pathlib import Path

import asyncpg
import pytest

from flows.serve import database as serve_database
from flows.serve.database import NoPostgres, running_database

POSTGRES = shutil.which("initdb") or any(serve_database._DEBIAN.glob("*/bin/initdb"))


@pytest.fixture
def folder():
    """A folder that PostgreSQL's account can enter, which pytest's folders are not."""
    made = Path(tempfile.mkdtemp(prefix="database-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def machine_without_postgres(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(serve_database, "_DEBIAN", tmp_path)


async def labels(folder, kind):
    async with running_database(folder, kind) as database:
        return database.label


@pytest.mark.skipif(not POSTGRES, reason="no PostgreSQL on this machine")
async def test_a_postgres_of_its_own_has_the_extension_that_prefect_needs(folder):
    async with running_database(folder, "postgresql"):
        connection = await asyncpg.connect(
            host=str(folder / "postgresql"), user="prefect", database="prefect"
        )
        await connection.execute("CREATE EXTENSION pg_trgm")
        await connection.close()


@pytest.mark.skipif(not POSTGRES, reason="no PostgreSQL on this machine")
async def test_a_second_start_finds_the_records_of_the_first(folder):
    for statement in ("CREATE TABLE kept ()", "SELECT FROM kept"):
        async with running_database(folder, "postgresql"):
            connection = await asyncpg.connect(
                host=str(folder / "postgresql"), user="prefect", database="prefect"
            )
            await connection.execute(statement)
            await connection.close()


@pytest.mark.usefixtures("machine_without_postgres")
async def test_sqlite_has_the_reason_why_it_is_not_postgres(tmp_path):
    assert "install the package postgresql" in await labels(tmp_path, "auto")


@pytest.mark.usefixtures("machine_without_postgres")
async def test_a_postgres_that_was_asked_for_is_not_replaced_by_sqlite(tmp_path):
    with pytest.raises(NoPostgres, match="install the package postgresql"):
        await labels(tmp_path, "postgresql")


async def test_sqlite_is_taken_when_it_is_asked_for(tmp_path):
    assert await labels(tmp_path, "sqlite") == "SQLite"
