"""The sandbox's filter of system calls, run by hand for each architecture that it knows."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from spinney.workers import syscall_filter


def run_filter(program, number, arguments=(), architecture="x86_64"):
    """What the kernel would make of a call: classic BPF is small."""
    data = [number, syscall_filter.ARCHITECTURES.get(architecture, 0x40000003), 0, 0]
    for argument in [*arguments, *[0] * 6][:6]:
        data += [argument & 0xFFFFFFFF, (argument >> 32) & 0xFFFFFFFF]
    at = value = 0
    while True:
        code, yes, no, k = program[at]
        at += 1
        if code == 0x20:
            value = data[k // 4]
        elif code == 0x54:
            value &= k
        elif code == 6:
            return k
        else:
            holds = {0x15: value == k, 0x25: value > k, 0x35: value >= k, 0x45: bool(value & k)}[
                code
            ]
            at += yes if holds else no


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_the_filter_decides_by_arguments(architecture):
    program = syscall_filter.program(architecture, pid=77)
    assert len(program) < 4096
    numbers = syscall_filter.numbers(syscall_filter.CHECKED, architecture)
    thread = 0x3D0F00  # as glibc starts one; musl adds 0x400000
    allow, refuse, absent = syscall_filter.ALLOW, syscall_filter.REFUSE, syscall_filter.ABSENT
    cases = [
        ("openat", (0, 0, 0o2100000), allow),  # O_CLOEXEC | O_DIRECTORY
        ("openat", (0, 0, 1), refuse),
        ("openat", (0, 0, 2), refuse),
        ("openat", (0, 0, 3), refuse),
        ("openat", (0, 0, 0o100), refuse),
        ("openat", (0, 0, 0o1000), refuse),
        ("openat", (0, 0, 0o20200000), refuse),
        ("openat", (0, 0, (1 << 32)), allow),  # the kernel takes an int
        ("openat2", (), absent),
        ("clone3", (), absent),
        ("clone", (thread,), allow),
        ("clone", (thread | 0x400000,), allow),
        ("clone", (17,), refuse),  # fork
        ("clone", (0x4111,), refuse),  # vfork
        ("clone", (0x10000,), refuse),
        ("clone", (thread | 0x10000000,), refuse),  # a new user namespace
        ("kill", (77, 9), allow),
        ("kill", (78, 9), refuse),
        ("kill", (0, 9), refuse),
        ("kill", (-1 & (2**64 - 1), 9), refuse),
        ("tgkill", (77, 80, 6), allow),
        ("tgkill", (1, 1, 6), refuse),
        ("fcntl", (3, 8, 1), refuse),
        ("fcntl", (3, 10, 9), refuse),
        ("fcntl", (3, 4, 0), refuse),
        ("fcntl", (3, 1030, 0), allow),
        ("ioctl", (2, 0x5412), refuse),
        ("ioctl", (2, 0x5401), allow),
        ("prctl", (1, 0), refuse),
        ("prctl", (15, 0), allow),
        ("prlimit64", (0, 9, 0), allow),
        ("prlimit64", (0, 9, 1 << 32), refuse),
        ("prlimit64", (5, 9, 0), refuse),
        ("sched_setaffinity", (0,), allow),
        ("sched_setaffinity", (5,), syscall_filter.PRETEND),
        ("socketpair", (1, 0o2000001), allow),
        ("socketpair", (1, 2), refuse),
        ("socketpair", (2, 1), refuse),
        ("sendto", (3, 0, 1, 0, 0), allow),
        ("sendto", (3, 0, 1, 0, 1 << 40), refuse),
        ("madvise", (0, 1, 4), allow),
        ("madvise", (0, 1, 100), refuse),
    ]
    for name, arguments, wanted in cases:
        assert run_filter(program, numbers[name], arguments, architecture) == wanted, (
            name,
            arguments,
        )
    for number in range(600):
        known = {**syscall_filter.numbers(syscall_filter.PLAIN, architecture)}.values()
        got = run_filter(program, number, (), architecture)
        if number not in numbers.values():
            wanted = allow if number in known else refuse if number <= 450 else absent
            assert got == wanted, number
        assert run_filter(program, number, (), "i386") == refuse
        assert run_filter(program, number | 0x40000000, (), architecture) == absent


def test_numbers_are_the_kernel_s():
    headers = {
        "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
        "aarch64": "/usr/include/asm-generic/unistd.h",
    }
    seen = 0
    for architecture, path in headers.items():
        if not os.path.exists(path):
            continue
        text = Path(path).read_text()
        pairs = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\s", text)
        told = {name: int(number) for name, number in reversed(pairs)}
        told.setdefault("newfstatat", told.get("fstatat"))
        for table in (syscall_filter.PLAIN, syscall_filter.CHECKED):
            for name, number in syscall_filter.numbers(table, architecture).items():
                assert told[name] == number, (architecture, name)
                seen += 1
    if not seen:
        pytest.skip("needs the kernel's headers (linux-libc-dev)")
