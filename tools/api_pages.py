"""Pages of the Python API in Markdown, from the sources' own signatures and docstrings.

Nothing is imported, so the pages need no build. A public module's page documents what its __all__
names; a name that another page documents already is linked to there. A class shows the methods that
it inherits: those of a base with an entry of its own as links, those of any other base in full.
"""

from __future__ import annotations

import ast
import re

from api_markdown import as_markdown, signature
from api_sources import Sources

# Public modules and what their pages are called, in the order of the pages; a module that this
# version lacks is left out.
MODULES = {
    "spinney": "Load and predict",
    "spinney.engine": "InferenceEngine",
    "spinney.batching": "Batchers",
    "spinney.preprocessing": "DataPreprocessor",
    "spinney.quantization": "Quantizer",
    "spinney.metrics": "Metrics",
    "spinney.lru_ttl_cache": "LRUTTLCache",
    "spinney.memory_pool": "MemoryPool",
    "spinney.workers": "Worker models",
    "spinney.configs": "Configurations",
    "spinney.exceptions": "Exceptions",
}
# What programs written against an earlier package import; their page only says where a name is.
OLD_PATHS = (
    "modules.configs",
    "modules.engine.inference_engine",
    "modules.engine.batch_processor",
    "modules.engine.data_preprocessor",
    "modules.engine.quantizer",
    "modules.engine.lru_ttl_cache",
)
OLD_PAGE = "modules.md"


def _decorators(node):
    return {ast.unparse(item) for item in node.decorator_list}


def _methods(node):
    """Public methods and properties. Those without a word about them are the package's own affair,
    and setters are told of by their properties.
    """
    for item in node.body:
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and item.name[0] != "_":
            marks = _decorators(item)
            told = ast.get_docstring(item) or any("documented_by(" in mark for mark in marks)
            if told and not any(mark.endswith(".setter") for mark in marks):
                yield item


class Pages:
    """Renders the modules' pages; knows which page documents which name."""

    def __init__(self):
        self.sources = Sources()
        self.homes = {}
        for module in MODULES:
            if self.sources.tree(module) is None:
                continue
            for name in self.sources.names(module):
                home, node = self.sources.find(module, name)
                if node is not None and self.is_public(module, name, node):
                    nearer = f"{home}.".startswith(f"{module}.")
                    if (nearer and module != "spinney") or (home, node.name) not in self.homes:
                        self.homes[home, node.name] = f"{module}.md"

    def is_public(self, module, name, node):
        """Whether users call it: a part's functions are for the package, but for those that the
        package itself, or a program's old path, has too.
        """
        doors = [door for door in ("spinney", *OLD_PATHS) if self.sources.tree(door)]
        at_door = any(name in self.sources.names(door) for door in doors)
        return module == "spinney" or isinstance(node, ast.ClassDef) or at_door

    def method(self, owner, module, item):
        """A method or property under the name of the class that has it, maybe by inheritance."""
        marks, shown, documented = _decorators(item), item, ast.get_docstring(item)
        for mark in item.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "documented_by":
                source = self.sources.resolve(module, mark.args[0])[1]
                documented = documented or (source and ast.get_docstring(source))
        if "property" in marks:
            call = f"{item.name}  # property"
        else:
            call = signature(item.name, shown, "staticmethod" not in marks)
            call = f"await {call}" if isinstance(item, ast.AsyncFunctionDef) else call
        heading = f"### `{owner}.{item.name}` {{ #{owner}.{item.name} }}"
        return "\n".join([heading, "", "```python", call, "```", "", as_markdown(documented)])

    def class_text(self, name, module, node):
        bases = ", ".join(self._shown_bases(module, node))
        made = self._constructor(module, node)
        call = signature(name, made, True).removesuffix(" -> None") if made else name
        lines = [f"## `{name}` {{ #{name} }}", "", "```python"]
        lines += [f"class {call}" + (f"  # {bases}" if bases else ""), "```", ""]
        lines.append(as_markdown(ast.get_docstring(node)))
        if made is not None and ast.get_docstring(made):
            lines.append(as_markdown(ast.get_docstring(made)))
        lines += self._fields(name, node, bases)
        lines += [self.method(name, module, item) for item in _methods(node)]
        lines += self._inherited(name, module, node)
        return "\n".join(lines)

    def _shown_bases(self, module, node):
        """Base classes that mean something to a reader: with an entry, or not of this package."""
        for base in node.bases:
            home, definition = self.sources.resolve(module, base)
            if definition is None or (home, definition.name) in self.homes:
                yield ast.unparse(base).lstrip("_")

    def _constructor(self, module, node):
        for _, each in [(module, node), *self.sources.ancestors(module, node)]:
            for item in each.body:
                if getattr(item, "name", "") == "__init__":
                    return item
        return None

    @staticmethod
    def _fields(name, node, bases):
        fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
        if fields and "option(" in ast.unparse(fields[0]):
            return [f"Every option is in [the tables](../configuration.md#{name.lower()}).\n"]
        if fields:
            return ["```python", *(ast.unparse(item) for item in fields), "```", ""]
        members = [item for item in node.body if isinstance(item, ast.Assign)]
        if "Enum" in bases and members:
            return [", ".join(f"`{ast.unparse(item.targets[0])}`" for item in members) + "\n"]
        return []

    def _inherited(self, name, module, node):
        """Methods of base classes that the class does not define anew."""
        lines, seen = [], {getattr(item, "name", "") for item in node.body}
        for home, base in self.sources.ancestors(module, node):
            page = self.homes.get((home, base.name))
            shown = _methods(base) if page is None else self._shown(home, base)
            found = [item for item in shown if item.name not in seen]
            if page is None:
                lines += [self.method(name, home, item) for item in found]
            elif found:
                links = [f"[`{x.name}`]({page}#{base.name}.{x.name})" for x in found]
                lines.append(f"Inherited from [`{base.name}`]({page}#{base.name}): ")
                lines[-1] += ", ".join(links) + ".\n"
            seen |= {item.name for item in found}
        for path, base in self.sources.foreign_bases(module, node):
            names = sorted(each for each in dir(base) if each[0] != "_" and each not in seen)
            if names:
                lines.append(f"As in `{path}`: " + ", ".join(f"`{x}`" for x in names) + ".\n")
        return lines

    def _shown(self, home, base):
        """Methods that have an entry under a class of the pages: its own, and unlisted bases'."""
        yield from _methods(base)
        for place, each in self.sources.ancestors(home, base):
            if (place, each.name) not in self.homes:
                yield from _methods(each)

    def module_text(self, module, title):
        lines = [f"# {title}", "", f"`import {module}`", ""]
        lines.append(as_markdown(ast.get_docstring(self.sources.tree(module))))
        page, links = f"{module}.md", []
        found = [(name, *self.sources.find(module, name)) for name in self.sources.names(module)]
        found.sort(key=lambda each: isinstance(each[2], ast.ClassDef))  # functions first
        for name, home, node in found:
            if node is None:
                lines += [f"## `{name}` {{ #{name} }}", "", f"A value of `{home}`.", ""]
            elif (home, node.name) not in self.homes:
                continue
            elif self.homes[home, node.name] != page:
                links.append(f"[`{name}`]({self.homes[home, node.name]}#{name})")
            elif isinstance(node, ast.ClassDef):
                lines += ["", self.class_text(name, home, node)]
            else:
                head = [f"## `{name}` {{ #{name} }}", "", "```python"]
                lines += [*head, signature(name, node, False), "```", ""]
                lines.append(as_markdown(ast.get_docstring(node)))
        if links:
            lines += ["## On other pages", "", ", ".join(links) + ".", ""]
        return "\n".join(lines) + "\n"

    def old_paths_text(self):
        lines = ["# Import paths of existing programs", ""]
        lines += ["Programs written against `modules.…` find the same classes there.", ""]
        for module in OLD_PATHS:
            if self.sources.tree(module) is None:
                continue
            links = []
            for name in self.sources.names(module):
                home, node = self.sources.find(module, name)
                page = self.homes.get((home, getattr(node, "name", name)))
                links.append(f"[`{name}`]({page}#{name})" if page else f"`{name}`")
            lines += [f"## `{module}`", "", ", ".join(links) + ".", ""]
        return "\n".join(lines)


def render_pages():
    """file name -> Markdown, for every public module that is there, and for the old paths."""
    pages = Pages()
    there = {module: title for module, title in MODULES.items() if pages.sources.tree(module)}
    texts = {f"{module}.md": pages.module_text(module, title) for module, title in there.items()}
    texts[OLD_PAGE] = pages.old_paths_text()
    return {name: re.sub(r"\n{3,}", "\n\n", text) for name, text in texts.items()}
