"""The product's code stays as readable as a library that reads well."""

import ast

import pytest

from benchmarks.density import measure_package, measure_product
from tests.sources import product_sources

LIMIT = 1.3


@pytest.mark.parametrize("figure", ["nodes_per_line", "nodes_per_function"])
def test_the_code_is_hardly_denser_than_httpx(figure):
    ratio = getattr(measure_product(), figure) / getattr(measure_package(), figure)
    print(f"{figure}: {ratio:.2f} times httpx's")
    assert ratio <= LIMIT


def test_no_folder_has_more_than_twelve_python_files():
    counts = {}
    for source in product_sources():
        if source.name != "__init__.py":
            counts[source.parent] = counts.get(source.parent, 0) + 1
    assert {str(folder): count for folder, count in counts.items() if count > 12} == {}


def test_no_comprehension_has_two_loops():
    found = []
    for source in product_sources():
        for node in ast.walk(ast.parse(source.read_text())):
            generators = getattr(node, "generators", [])
            if len(generators) > 1:
                found.append(f"{source}:{node.lineno}")
    assert found == []
