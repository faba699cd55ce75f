"""Shell completion is made from the argument parser, and bash runs it."""

import os
import shutil
import subprocess

import pytest

from spinney.cli import COMMANDS, main, make_parser
from spinney.cli.completion import SHELLS, words_of


@pytest.fixture
def script(capsys):
    def of(shell):
        assert main(["completion", shell]) == 0
        return capsys.readouterr().out

    return of


def completions(script, folder, *words):
    """What bash offers for the last of the words."""
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("bash is not here")
    lines = [
        script("bash"),
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))',
        "_spinney 2>&1",
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ]
    ran = subprocess.run(
        [shell, "--norc", "-c", "\n".join(lines), "bash", "spinney", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )
    assert ran.returncode == 0 and not ran.stderr, ran
    return ran.stdout.split()


def test_bash_offers_commands(script, tmp_path):
    assert completions(script, tmp_path, "pr") == ["predict"]
    assert set(COMMANDS) <= set(completions(script, tmp_path, ""))
    assert completions(script, tmp_path, "--v") == ["--version"]


@pytest.mark.parametrize("command", list(COMMANDS))
def test_bash_offers_every_option(script, tmp_path, command):
    offered = set(completions(script, tmp_path, command, "-"))
    own = words_of(make_parser()).words[command]
    assert offered == {name for word in own for name in word.names}
    assert {"-h", "--help"} <= offered


def test_bash_offers_values(script, tmp_path):
    start = ["predict", "model.json", "rows.csv"]
    assert "parquet" in completions(script, tmp_path, *start, "--output-format", "")
    assert completions(script, tmp_path, *start, "--output-format", "js") == ["jsonl"]
    assert completions(script, tmp_path, *start, "--output-format", "=", "js") == ["jsonl"]
    assert completions(script, tmp_path, *start, "--output-format", "=") == completions(
        script, tmp_path, *start, "--output-format", ""
    )
    assert completions(script, tmp_path, "completion", "") == list(SHELLS)


def test_bash_leaves_files_to_itself(script, tmp_path):
    """No word offered and `-o default`: bash offers files. A number is none."""
    (tmp_path / "model.json").write_text("")
    for words in (["predict", "mod"], ["predict", "m.json", "-o", "o"], ["bench", "--data", "r"]):
        assert completions(script, tmp_path, *words) == []
    assert "complete -o default -F _spinney spinney" in script("bash")
    number = script("bash").split("--threads")[1].split(")")[1]
    assert number.startswith(" _spinney_offer ''; return ;;")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_is_told_every_option(script, shell):
    text = script(shell)
    for command, own in words_of(make_parser()).words.items():
        assert command in text
        for word in own:
            for name in word.names:
                told = name if shell != "fish" else name.lstrip("-")
                assert told in text, (shell, command, name)


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_sound_where_the_shell_is_here(script, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    check = subprocess.run([shell, "-n"], input=script(shell), capture_output=True, text=True)
    assert (check.returncode, check.stderr) == (0, "")


def test_a_shell_that_is_not_known(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["completion", "tcsh"])
    assert stopped.value.code == 2
    assert "choose from" in capsys.readouterr().err
