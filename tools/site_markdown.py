"""A page's Markdown as the site shows it: links that lead to the site's pages, code that copies.

Examples stand in the pages as doctests, which the tests run. On the site they are plain code, so
that what is copied or marked runs as it is; what an expression gives is a comment below it.
"""

from __future__ import annotations

import doctest
import os
import re

# A link or a picture: what it says, maybe over two lines, the file and the anchor.
LINK = re.compile(r"\[([^\]\n]*\n?[^\]\n]*)\]\(([^)#\s:]+)(#[^)\s]*)?\)")
_BLOCK = re.compile(r"^```py(?:thon|con)\n(>>> .*?)^```$", re.MULTILINE | re.DOTALL)
_OPTIONS = "| option | default | environment | what it does |\n|---|---|---|---|"
_OPTION = re.compile(r"^\| (`\w+`) \| (`[^|]*`) \| (`SPINNEY_\w+`) \| ", re.MULTILINE)
_DIRECTIVE = re.compile(r"\s*# doctest:.*")
_RAISED = re.compile(r"^(?:[a-z_]\w*\.)*([A-Z]\w*): ")


def with_plain_examples(text):
    """A page whose doctests are code without prompts."""
    return _BLOCK.sub(lambda found: f"```python\n{_plain(found[1])}```", text)


def _plain(source):
    lines = []
    for example in doctest.DocTestParser().parse(source):
        if isinstance(example, str):
            if not example.strip() and "\n" in example and lines and lines[-1]:
                lines.append("")
            continue
        code = _DIRECTIVE.sub("", example.source.rstrip("\n"))
        lines += [line.rstrip() for line in code.split("\n")]
        lines += [f"# {line}".rstrip() for line in _shown(example)]
    return "\n".join(lines).strip("\n") + "\n"


def _shown(example):
    """The lines that an example gives; of a traceback the exception alone."""
    if example.exc_msg is not None:
        return [_RAISED.sub(r"\1: ", example.exc_msg.strip().split("\n")[0])]
    return example.want.rstrip("\n").split("\n") if example.want else []


def with_narrow_options(text):
    """Tables of options whose variables stand below the options' names, not in a column."""
    text = text.replace(_OPTIONS, "| option, variable | default | what it does |\n|---|---|---|")
    return _OPTION.sub(r"| \1<br>\3 | \2 | ", text)


def with_links(text, path, origin, root, gathered):
    """Links of a page, from where it was in the repository to where things are in the site.

    What the site does not hold (the licence, an example's folder) is named instead of linked.
    """

    def moved(found):
        words, target, anchor = found[1], found[2], found[3] or ""
        place = (origin / target).resolve()
        if (path.parent / target).is_file() or not place.exists():
            return found[0]  # in place, or broken, which MkDocs reports
        inside = place.relative_to(root)
        if inside.parts[0] == "docs":
            inside = inside.relative_to("docs")
        if (gathered / inside).is_dir():
            inside = inside / "README.md"
        if not (gathered / inside).is_file():
            return f"{words} (`{place.relative_to(root)}`)"
        return f"[{words}]({os.path.relpath(gathered / inside, path.parent)}{anchor})"

    return LINK.sub(moved, text)
