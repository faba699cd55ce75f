"""What an engine says about its options when it starts.

An option in NOT_CONNECTED is known and checked, but the engine does not act on it yet. Whoever
connects one takes it out of the table; nothing else needs a change.
"""

from __future__ import annotations

from importlib.util import find_spec

from spinney.exceptions import UnsupportedOptionError

# Option -> True where leaving it out would change answers, or let through what it was set to stop.
NOT_CONNECTED = {}


def startup_messages(config, not_connected=None):
    """What the engine cannot do of what config asks for, a sentence each.

    Raises UnsupportedOptionError where going on would change answers or lift a limit.
    """
    table = NOT_CONNECTED if not_connected is None else not_connected
    changed = config.changed()
    fatal = [name for name in changed if table.get(name)]
    if fatal:
        raise UnsupportedOptionError(
            f"the engine of this version does not act on {', '.join(fatal)} yet; going on would "
            f"give other answers or limits than asked for, so leave {_them(fatal)} out"
        )
    found = [
        f"{name} is {value!r}, but the engine of this version does not act on it yet"
        for name, value in changed.items()
        if name in table
    ]
    return found + machine_messages(config)


def machine_messages(config):
    """What this machine or build lacks for what config asks for, a sentence each."""
    found = []
    if config.enable_onnx:
        if find_spec("onnxruntime") is None:
            found.append("enable_onnx is True, but the package onnxruntime is not installed")
        else:
            found.append("enable_onnx is True, but this version has no back end for ONNX")
        if config.onnx_opset is not None:
            found.append(
                f"onnx_opset is {config.onnx_opset}, but this version converts no model to ONNX"
            )
    if config.enable_jit:
        found.append(
            "enable_jit is True, but this version compiles no model; the native kernels serve it"
        )
    return found


def _them(names):
    return "it" if len(names) == 1 else "them"
