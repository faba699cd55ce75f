"""spinney completion: what makes a shell complete commands, options and their values.

All of it is made from the argument parser, so that it knows what the parser knows.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = """examples:
  source <(spinney completion bash)                                     in ~/.bashrc
  spinney completion zsh > "${fpath[1]}/_spinney"                       then start a new zsh
  spinney completion fish > ~/.config/fish/completions/spinney.fish"""

_FILES = {"OUT", "ROWS", "FOLDER"}  # metavars whose values are paths


def add_arguments(parser):
    parser.add_argument("shell", choices=SHELLS, help="the shell that is to read it")


def run(arguments):
    from spinney.cli import make_parser

    scripts = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}
    print(scripts[arguments.shell](words_of(make_parser())))
    return 0


@dataclass
class Word:
    """An option or an argument. values: "none", "any", "file", or a list of choices."""

    names: list  # of an option; empty for an argument
    help: str
    values: object

    @property
    def first(self):
        return next((name for name in self.names if name.startswith("--")), self.names[0])


@dataclass
class Words:
    commands: dict  # name -> what it does
    options: list  # of spinney itself
    words: dict  # name of a command -> its Words


def words_of(parser):
    """The Words of the parser."""
    subparsers = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    about = {action.dest: action.help for action in subparsers._choices_actions}
    words = {name: _words(command) for name, command in subparsers.choices.items()}
    return Words(about, [word for word in _words(parser) if word.names], words)


def _words(parser):
    return [
        Word(list(action.option_strings), action.help or "", _values(action))
        for action in parser._actions
        if not isinstance(action, argparse._SubParsersAction)
    ]


def _values(action):
    if action.nargs == 0:
        return "none"
    if action.choices:
        return [str(choice) for choice in action.choices]
    if action.option_strings and action.metavar not in _FILES:
        return "any"
    return "file"


def _quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def bash_script(words):
    """Without the package bash-completion; a word for which nothing is offered may be a file."""
    cases = []
    for command, own in words.words.items():
        options = " ".join(name for word in own for name in word.names)
        lines = [f"    {command})"]
        taking = [word for word in own if word.names and word.values not in ("none", "file")]
        files = [name for word in own if word.values == "file" for name in word.names]
        lines.append('      case "$before" in')
        for word in taking:
            offered = "" if word.values == "any" else " ".join(word.values)
            lines.append(
                f"        {'|'.join(word.names)}) _spinney_offer {_quoted(offered)}; return ;;"
            )
        if files:
            lines.append(f"        {'|'.join(files)}) return ;;")
        lines.append("      esac")
        lines.append(
            f"      if [[ $word == -* ]]; then _spinney_offer {_quoted(options)}; return; fi"
        )
        for word in own:
            if not word.names and isinstance(word.values, list):
                lines.append(f"      _spinney_offer {_quoted(' '.join(word.values))}")
        cases += [*lines, "      ;;"]
    first = " ".join([*words.commands, *(name for word in words.options for name in word.names)])
    return "\n".join(
        [
            "# Completion of spinney for bash: source <(spinney completion bash)",
            "_spinney_offer() {",
            "  compopt +o default 2>/dev/null",
            '  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word")',
            "}",
            "_spinney() {",
            '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
            "  COMPREPLY=()",
            '  if [[ $word == "=" ]]; then word=""',
            '  elif [[ $before == "=" ]]; then before="${COMP_WORDS[COMP_CWORD-2]}"; fi',
            f"  if (( COMP_CWORD == 1 )); then _spinney_offer {_quoted(first)}; return; fi",
            '  case "${COMP_WORDS[1]}" in',
            *cases,
            "  esac",
            "}",
            "complete -o default -F _spinney spinney",
        ]
    )


def zsh_script(words):
    def about(text):
        return text.replace("[", "(").replace("]", ")").replace(":", " -").replace("%%", "%")

    def argument(word, place):
        kinds = {"file": "_files", "any": " "}
        offered = kinds.get(word.values) if isinstance(word.values, str) else None
        offered = offered or f"({' '.join(word.values)})"
        if not word.names:
            return _quoted(f"{place}:{about(word.help)}:{offered}")
        text = f"[{about(word.help)}]"
        if word.values == "none":
            names = word.names if len(word.names) == 1 else None
            shown = names[0] if names else "{" + ",".join(word.names) + "}"
            return shown + _quoted(text)
        names = [f"{name}=" if name.startswith("--") else f"{name}+" for name in word.names]
        shown = names[0] if len(names) == 1 else "{" + ",".join(names) + "}"
        return shown + _quoted(f"{text}:value:{offered}")

    lines = ["#compdef spinney", "_spinney() {", "  local state line curcontext=$curcontext"]
    lines.append("  _arguments -C '1:command:->command' '*::argument:->argument'")
    lines += ["  case $state in", "    command)", "      local -a commands=("]
    lines += [
        f"        {_quoted(f'{name}:{about(text)}')}" for name, text in words.commands.items()
    ]
    lines += ["      )", "      _describe command commands ;;", "    argument)"]
    lines.append("      case $line[1] in")
    for command, own in words.words.items():
        lines.append(f"        {command})")
        places = iter(range(1, 99))
        told = [argument(word, next(places) if not word.names else 0) for word in own]
        lines.append(
            "          _arguments \\\n            " + " \\\n            ".join(told) + " ;;"
        )
    lines += ["      esac ;;", "  esac", "}", '_spinney "$@"']
    return "\n".join(lines)


def fish_script(words):
    def quoted(text):
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("%%", "%") + "'"

    lines = ["# Completion of spinney for fish"]
    for name, text in words.commands.items():
        lines.append(f"complete -c spinney -n __fish_use_subcommand -f -a {name} -d {quoted(text)}")
    for command, own in words.words.items():
        start = f"complete -c spinney -n '__fish_seen_subcommand_from {command}'"
        for word in own:
            if not word.names:
                if isinstance(word.values, list):
                    lines.append(f"{start} -f -a {quoted(' '.join(word.values))}")
                continue
            names = [f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in word.names]
            if isinstance(word.values, list):
                kind = f" -x -a {quoted(' '.join(word.values))}"
            else:
                kind = {"none": "", "any": " -x", "file": " -r -F"}[word.values]
            lines.append(f"{start} {' '.join(names)}{kind} -d {quoted(word.help)}")
    return "\n".join(lines)
