"""The tables of options in docs/configuration.md, written from the classes.

    python -m spinney.configs.reference docs/configuration.md

writes every table in the page anew; a test fails where the page and the classes differ.
"""

from __future__ import annotations

import re
import sys
from enum import Enum
from pathlib import Path

from spinney.configs import (
    BatchProcessorConfig,
    InferenceEngineConfig,
    PreprocessorConfig,
    QuantizationConfig,
)

CLASSES = {
    cls.__name__: cls
    for cls in (
        InferenceEngineConfig,
        BatchProcessorConfig,
        PreprocessorConfig,
        QuantizationConfig,
    )
}
_MARKED = re.compile(r"(<!-- options of (\w+) -->\n).*?(<!-- end of options -->)", re.DOTALL)


def option_table(cls):
    """A Markdown table of a class's options: name, default, variable, what it does and may be."""
    lines = ["| option | default | environment | what it does |", "|---|---|---|---|"]
    defaults = cls.defaults()
    texts = {name: item.metadata["text"] for name, item in cls.__dataclass_fields__.items()}
    for name, kind in cls.option_kinds().items():
        variable = f"{cls.env_prefix}{name.upper()}"
        words = f"{texts[name]}. *{kind.says[0].upper()}{kind.says[1:]}.*".replace("|", "\\|")
        words = words[0].upper() + words[1:]
        lines.append(f"| `{name}` | `{_shown(defaults[name])}` | `{variable}` | {words} |")
    return "\n".join(lines) + "\n"


def _shown(value):
    if isinstance(value, Enum):
        return value.name
    return getattr(value, "name", None) or repr(value)


def with_tables(page):
    """The text of a page with its marked tables written anew."""
    return _MARKED.sub(
        lambda found: f"{found[1]}\n{option_table(CLASSES[found[2]])}\n{found[3]}", page
    )


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        path = Path(argument)
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
