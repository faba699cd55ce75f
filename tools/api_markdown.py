"""Docstrings and signatures as Markdown, for the pages of the Python API."""

from __future__ import annotations

import ast
import re
from inspect import cleandoc

_PARAMETER = re.compile(r"^((?:[a-z_][\w.]*|X)(?:, [A-Za-z_][\w.]*)*): (?=\S)")
_WIDE = 84  # columns of a signature that is written on one line


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
        elif _PARAMETER.match(line) and (block == "list" or not any(lines[-1:])):
            if block != "list":
                lines.append("")
            names, text = line.split(": ", 1)
            shown = ", ".join(f"`{name}`" for name in names.split(", "))
            lines.append(f"- {shown}: {_escaped(text)}")
            block = "list"
        elif block == "list" and line.strip():  # an item goes on until a line is empty
            lines.append(f"  {_escaped(line.strip())}")
        else:
            block = None
            lines.append(_escaped(line))
    return "\n".join([*lines, "```"] if block == "code" else lines).strip() + "\n"


def _escaped(text):
    parts = text.split("`")
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*\[\]]|__)", r"\\\1", parts[i]).replace("<", "&lt;")
    return "`".join(parts)


def signature(name, node, of_method):
    """A call on one line, or with a line for each parameter where that is too wide."""
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    text = ast.unparse(given)
    if of_method and positional:
        text = text[len(ast.unparse(positional[0])) :].lstrip(", ").removeprefix("/, ")
    gives = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{name}({text}){gives}"
    if len(line) <= _WIDE:
        return line
    parameters = divided(text)
    return "\n".join([f"{name}(", *(f"    {one}," for one in parameters), f"){gives}"])


def divided(text):
    """Parameters of a signature: divided at the commas that stand in no bracket or text."""
    found, depth, quote, start = [], 0, "", 0
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        else:
            depth += (char in "([{") - (char in ")]}")
            if char == "," and not depth:
                found.append(text[start:i].strip())
                start = i + 1
    return [*found, text[start:].strip()]
