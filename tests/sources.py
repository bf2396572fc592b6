"""The product's source files, as git would list them."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("config", "tasks", "flows", "sandbox")


def product_sources():
    """Paths relative to the repository's root, sorted."""
    found = []
    for room in ROOMS:
        found += (path.relative_to(ROOT) for path in (ROOT / room).rglob("*.py"))
    return sorted(found)
