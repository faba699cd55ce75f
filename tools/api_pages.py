"""Pages of the Python API in Markdown, from the sources' own signatures and docstrings.

Nothing is imported, so the pages need no build. A public module's page documents what its __all__
names; a name that another page documents already is linked to there.
"""

from __future__ import annotations

import ast
import re
from inspect import cleandoc
from pathlib import Path

PYTHON = Path(__file__).resolve().parent.parent / "python"

# Public modules, in the order of the pages; one that this version lacks is left out.
MODULES = (
    "spinney",
    "spinney.engine",
    "spinney.batching",
    "spinney.memory_pool",
    "spinney.lru_ttl_cache",
    "spinney.metrics",
    "spinney.preprocessing",
    "spinney.quantization",
    "spinney.workers",
    "spinney.configs",
    "spinney.exceptions",
    "modules.configs",
    "modules.engine.inference_engine",
    "modules.engine.batch_processor",
    "modules.engine.data_preprocessor",
    "modules.engine.quantizer",
    "modules.engine.lru_ttl_cache",
)
_PARAMETER = re.compile(r"^([A-Za-z_][\w.]*(?:, [A-Za-z_][\w.]*)*): (?=\S)")


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


def as_markdown(docstring):
    """A docstring as Markdown: parameters as a list, examples as code, the rest as it is."""
    lines, block = [], None
    for line in cleandoc(docstring or "").splitlines():
        if block == "code":
            if line.strip():
                lines.append(line)
                continue
            lines.append("```")
            block = None
        if line.startswith(">>>"):
            lines += ["", "```pycon", line]
            block = "code"
        elif _PARAMETER.match(line):
            if block != "list":
                lines.append("")
            names, text = line.split(": ", 1)
            shown = ", ".join(f"`{name}`" for name in names.split(", "))
            lines.append(f"- {shown}: {_escaped(text)}")
            block = "list"
        elif line.startswith("    ") and block == "list":
            lines.append(f"  {_escaped(line.strip())}")
        else:
            if block == "list" and line.strip():
                lines.append("")
            block = None
            lines.append(_escaped(line))
    return "\n".join([*lines, "```"] if block == "code" else lines).strip() + "\n"


def _escaped(text):
    parts = text.split("`")
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*\[\]]|__)", r"\\\1", parts[i]).replace("<", "&lt;")
    return "`".join(parts)


def _signature(name, node, of_method):
    arguments = node.args
    if of_method and (arguments.posonlyargs or arguments.args):
        (arguments.posonlyargs or arguments.args).pop(0)
    text = ast.unparse(arguments)
    gives = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{name}({text}){gives}"


def _decorators(node):
    return {ast.unparse(item) for item in node.decorator_list}


def _methods(node):
    for item in node.body:
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and item.name[0] != "_":
            yield item


def class_text(name, node):
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    lines = [f"## `{name}` {{ #{name} }}", ""]
    made = next((item for item in node.body if getattr(item, "name", "") == "__init__"), None)
    call = _signature(name, made, True) if made else name
    lines += ["```python", f"class {call}" + (f"  # {bases}" if bases else ""), "```", ""]
    lines.append(as_markdown(ast.get_docstring(node)))
    if made is not None and ast.get_docstring(made):
        lines.append(as_markdown(ast.get_docstring(made)))
    fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
    if fields and "option(" in ast.unparse(fields[0]):
        lines.append(f"Every option is in [the tables](../configuration.md#{name.lower()}).\n")
    elif fields:
        lines += ["```python", *(ast.unparse(item) for item in fields), "```", ""]
    members = [item for item in node.body if isinstance(item, ast.Assign)]
    if "Enum" in bases and members:
        lines.append(", ".join(f"`{ast.unparse(item.targets[0])}`" for item in members) + "\n")
    for method in _methods(node):
        marks = _decorators(method)
        if any(mark.endswith(".setter") for mark in marks):
            continue
        kind = "property" if "property" in marks else ""
        shown = (
            method.name if kind else _signature(method.name, method, "staticmethod" not in marks)
        )
        lines += [f"### `{name}.{method.name}` {{ #{name}.{method.name} }}", ""]
        lines += ["```python", f"{shown}" + (f"  # {kind}" if kind else ""), "```", ""]
        lines.append(as_markdown(ast.get_docstring(method)))
    return "\n".join(lines)


def function_text(name, node):
    lines = [
        f"## `{name}` {{ #{name} }}",
        "",
        "```python",
        _signature(name, node, False),
        "```",
        "",
    ]
    return "\n".join([*lines, as_markdown(ast.get_docstring(node))])


def render_pages():
    """file name -> Markdown, for every public module that is there."""
    sources, homes, pages = Sources(), {}, {}
    for module in MODULES:
        if sources.tree(module) is None:
            continue
        page = f"{module}.md"
        lines = [f"# {module}", "", as_markdown(ast.get_docstring(sources.tree(module)))]
        for name in sources.names(module):
            home, node = sources.find(module, name)
            if node is None:
                lines += [f"## `{name}` {{ #{name} }}", "", f"A value of `{home}`.", ""]
            elif (home, name) in homes:
                lines.append(f"- [`{name}`]({homes[home, name]}#{name})")
            else:
                homes[home, name] = page
                render = class_text if isinstance(node, ast.ClassDef) else function_text
                lines += ["", render(name, node)]
        pages[page] = "\n".join(lines) + "\n"
    return pages
