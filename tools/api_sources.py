"""What the sources of the Python package say: modules, names, and where each is really defined.

Nothing of the package is imported, so that the pages need no build.
"""

from __future__ import annotations

import ast
import importlib
import sys
from enum import Enum
from pathlib import Path

# Bases from Python's library whose methods everybody knows.
PLAIN = (BaseException, Enum, int, str, tuple, dict)
PYTHON = Path(__file__).resolve().parent.parent / "python"


def module_file(name):
    """The file of a module below python/, a stub where it is compiled; None where it is absent."""
    path = PYTHON.joinpath(*name.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py"), path.with_suffix(".pyi")):
        if candidate.is_file():
            return candidate
    return None


class Sources:
    """Parsed modules, and where a name that they pass on is really defined."""

    def __init__(self):
        self._trees = {}

    def tree(self, module):
        if module not in self._trees:
            path = module_file(module)
            self._trees[module] = path and ast.parse(path.read_text(encoding="utf-8"))
        return self._trees[module]

    def names(self, module):
        """What __all__ lists, or else the public classes and functions."""
        found = []
        for node in self.tree(module).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                return [name for name in ast.literal_eval(node.value) if name[0] != "_"]
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name[0] != "_":
                found.append(node.name)
        return found

    def find(self, module, name):
        """(module, node) of a definition, through re-exports; (module, None) for a plain value."""
        tree = self.tree(module)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
                return module, node
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    if (alias.asname or alias.name) == name and self.tree(node.module):
                        return self.find(node.module, alias.name)
        return module, None

    def resolve(self, module, expression):
        """(module, node) of what an expression such as `Base` or `lifecycle.Lifetime` names."""
        if isinstance(expression, ast.Name):
            return self.find(module, expression.id)
        if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
            home = self._imported(module).get(expression.value.id)
            if home and self.tree(home):
                return self.find(home, expression.attr)
            owner = self.find(module, expression.value.id)
            if isinstance(owner[1], ast.ClassDef):  # a method, as @documented_by(Base.method) does
                for item in owner[1].body:
                    if getattr(item, "name", None) == expression.attr:
                        return owner[0], item
        return module, None

    def _imported(self, module):
        """name -> the module or the module.name that it stands for."""
        found = {}
        for node in ast.walk(self.tree(module)):
            if isinstance(node, ast.Import):
                found.update({alias.asname or alias.name: alias.name for alias in node.names})
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    def ancestors(self, module, node):
        """Base classes of the package, nearest first: (module, node) each, none of them twice."""
        found = []
        for base in node.bases:
            home, definition = self.resolve(module, base)
            if isinstance(definition, ast.ClassDef):
                for each in [(home, definition), *self.ancestors(home, definition)]:
                    if each not in found:
                        found.append(each)
        return found

    def foreign_bases(self, module, node):
        """(name, class) of bases from Python's standard library, plain ones left out."""
        found = []
        for base in node.bases:
            # _Future stands for Future where its type has arguments.
            name = self._imported(module).get(ast.unparse(base).lstrip("_"), "")
            library, _, attribute = name.rpartition(".")
            if library.split(".")[0] not in sys.stdlib_module_names:
                continue
            defined = getattr(importlib.import_module(library), attribute, None)
            if isinstance(defined, type) and not issubclass(defined, PLAIN):
                found.append((name, defined))
        return found
