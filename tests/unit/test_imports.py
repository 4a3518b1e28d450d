"""Which way imports go: pipeline, operations, components; and what ships needs nothing of tests, lab and drills."""

import ast
import functools
import graphlib
import subprocess
from collections.abc import Iterator

import pytest

from components.checkout import CHECKOUT

AROUND = ("tests", "lab", "drills")
SEAM = ("components.remote", "components.ssh_look", "components.templates", "components.fence_device")

# Who must not import whom: modules, or packages with all that is in them.
FORBIDDEN: list[tuple[str, tuple[str, ...]]] = [
    ("__main__", AROUND),
    ("components", (*AROUND, "operations", "pipeline", "policy")),
    ("components.azure", ("components.cluster",)),
    ("components.cluster", ("components.azure",)),
    *((module, ("components.azure", "components.cluster")) for module in SEAM),
    ("components.settings", ("components.azure", "components.cluster", *SEAM)),
    ("operations", (*AROUND, "pipeline", "policy")),
    ("pipeline", AROUND),
    ("policy", AROUND),
    # The nodes run it by itself.
    ("configs", (*AROUND, "components", "operations", "pipeline", "policy")),
    ("lab", ("tests", "drills")),
    ("drills", ("tests",)),
]


def module_names() -> dict[str, str]:
    """Return the path of every tracked module, by its name."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    paths = [path for path in listed.stdout.splitlines() if (CHECKOUT / path).exists()]
    return {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in paths}


MODULES = module_names()


def imports(module: str) -> Iterator[str]:
    """Yield the project's modules that a module imports, wherever in it."""
    for node in statements(ast.parse((CHECKOUT / MODULES[module]).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            source = absolute(node, module)
            for alias in node.names:
                of_package = f"{source}.{alias.name}"
                if of_package in MODULES:
                    yield of_package
                elif source in MODULES:
                    yield source


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all that is in a module but expressions, in which nothing can be imported."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield child
            yield from statements(child)


def absolute(node: ast.ImportFrom, module: str) -> str:
    """Return the name of what is imported from, which may be given as seen from the module."""
    if not node.level:
        return node.module or ""
    parts = module.split(".") if MODULES[module].endswith("/__init__.py") else module.split(".")[:-1]
    package = parts[: len(parts) + 1 - node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


@functools.cache
def all_imports() -> dict[str, set[str]]:
    """Return what each module imports of the project; not to be changed."""
    return {module: set(imports(module)) for module in MODULES}


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_imports_are_found() -> None:
    assert "components.settings.load" in all_imports()["__main__"]
    assert "components.ports" in all_imports()["components.azure.endpoint"]  # a module, of its package
    assert "components.settings.section" in all_imports()["components.settings.load"]  # names, of a module
    assert "components.checkout" in all_imports()["tests.unit.test_imports"]


@pytest.mark.parametrize(("who", "whom"), FORBIDDEN, ids=[who for who, _ in FORBIDDEN])
def test_which_way_imports_go(who: str, whom: tuple[str, ...]) -> None:
    assert any(is_in(module, (who,)) for module in MODULES)
    wrong = [
        f"{MODULES[module]} imports {found}"
        for module in MODULES
        if is_in(module, (who,))
        for found in sorted(all_imports()[module])
        if is_in(found, whom)
    ]
    assert not wrong


def test_no_circle() -> None:
    try:
        list(graphlib.TopologicalSorter(all_imports()).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"a circle: {' imports '.join(reversed(error.args[1]))}")
