"""
How dense the product's code is, compared with httpx: AST nodes a line, and AST nodes a function.

    python -m benchmarks.density

A function counts with its signature, without its docstring; a line counts when it holds code. The
ratio of the medians is what matters: the code of a library that reads well is the yardstick.
"""

import ast
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["Density", "main", "measure", "measure_package", "measure_product"]

_PRODUCT: Final = ("config", "tasks", "flows")
_YARDSTICK: Final = "httpx"
_ROOT: Final = Path(__file__).parents[1]

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Density:
    """The medians over all functions of some files."""

    functions: int
    nodes_per_line: float
    nodes_per_function: float


def measure(files: list[Path]) -> Density:
    """Measure every function and method of the files."""
    per_line = []
    per_function = []
    for file in files:
        source = file.read_text(encoding="utf-8")
        lines = source.splitlines()
        for function in _functions(ast.parse(source)):
            nodes = _count_nodes(function)
            per_function.append(nodes)
            per_line.append(nodes / _count_lines(function, lines))
    return Density(
        functions=len(per_function),
        nodes_per_line=statistics.median(per_line),
        nodes_per_function=statistics.median(per_function),
    )


def measure_product() -> Density:
    """Measure config, tasks and flows."""
    files: list[Path] = []
    for folder in _PRODUCT:
        files += sorted((_ROOT / folder).rglob("*.py"))
    return measure(files)


def measure_package(name: str = _YARDSTICK) -> Density:
    """
    Measure an installed package.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name} is not installed", name=name)
    return measure(sorted(Path(spec.origin).parent.rglob("*.py")))


def _functions(tree: ast.Module) -> Iterator[_Function]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _docstring(function: _Function) -> ast.stmt | None:
    return function.body[0] if ast.get_docstring(function) is not None else None


def _count_nodes(function: _Function) -> int:
    docstring = _docstring(function)
    in_docstring = len(list(ast.walk(docstring))) if docstring else 0
    return len(list(ast.walk(function))) - in_docstring


def _count_lines(function: _Function, lines: list[str]) -> int:
    """Count the lines of code: neither blank nor comment nor docstring."""
    docstring = _docstring(function)
    skipped: set[int] = set()
    if docstring:
        skipped.update(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    count = 0
    for number in range(function.lineno, (function.end_lineno or 0) + 1):
        text = lines[number - 1].strip()
        if number not in skipped and text and not text.startswith("#"):
            count += 1
    return count


def main() -> None:
    """Print both, and the ratios."""
    ours, yardstick = measure_product(), measure_package()
    rows = [
        ("functions", ours.functions, yardstick.functions),
        ("nodes per line, median", ours.nodes_per_line, yardstick.nodes_per_line),
        ("nodes per function, median", ours.nodes_per_function, yardstick.nodes_per_function),
    ]
    print(f"{'':<28}{'product':>9}{_YARDSTICK:>9}{'ratio':>8}")
    for name, own, other in rows:
        print(f"{name:<28}{own:>9.2f}{other:>9.2f}{own / other:>8.2f}")


if __name__ == "__main__":
    main()
