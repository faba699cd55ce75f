"""The walls around a worker process: what it can no longer do, whatever it unpickles.

They stand before a byte of a model is read. `raise_walls` says which do; a kernel or a container
may lack either.
"""

import contextlib
import ctypes
import errno
import fcntl
import glob
import importlib.util
import os
import stat
import struct
import sys
import tempfile
import threading
import types

if __package__:
    from spinney.workers import landlock, syscall_filter
else:  # in a worker process, which has the modules of this folder without their package
    import _spinney_worker_landlock as landlock
    import _spinney_worker_syscall_filter as syscall_filter

_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_ALL_THREADS = 1  # SECCOMP_FILTER_FLAG_TSYNC
_SAME_SPEED = 4  # SECCOMP_FILTER_FLAG_SPEC_ALLOW: nothing that it may read is a secret to it
_LOCKS = "_multiprocessing_helpers"  # the module of joblib that tries them
_WRITER = "scipy.stats._unuran.unuran_wrapper"  # makes a file as it is imported, in some releases
# What imports and numerical libraries read. Beneath /proc/self lies this process alone.
_SYSTEM = (
    "/lib /lib32 /lib64 /usr/lib /usr/lib32 /usr/lib64 /usr/local/lib /usr/share /nix/store "
    "/etc/ld.so.cache /etc/ld.so.preload /etc/ld.so.conf /etc/ld.so.conf.d /etc/localtime "
    "/etc/timezone /etc/mime.types /etc/os-release /etc/ssl/openssl.cnf /etc/pki/tls/openssl.cnf "
    "/etc/crypto-policies /dev/null /dev/zero /dev/random /dev/urandom "
    "/proc/self /proc/cpuinfo /proc/meminfo /proc/stat /proc/loadavg /proc/filesystems "
    "/proc/sys/vm /proc/sys/kernel/osrelease /sys/devices/system /sys/fs/cgroup"
).split()


def raise_walls(readable=()):
    """{"seccomp": bool, "landlock": version or 0, "missing": reasons}: what stands from now on.

    readable: paths that this process may read besides Python's own and the system's libraries.
    """
    walls = {"seccomp": False, "landlock": 0, "missing": []}
    append_only(2)
    try:
        landlock.checked(landlock.call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    except OSError as error:
        walls["missing"].append(f"no_new_privs: {error}")
        return walls
    try:
        walls["landlock"] = landlock.restrict([*_own_paths(), *readable])
        others = len(os.listdir("/proc/self/task")) - 1
        if others:
            walls["missing"].append(f"landlock: {others} threads were there before it")
    except OSError as error:
        walls["missing"].append(f"landlock: {error}")
    try:
        _filter_calls()
        walls["seccomp"] = True
        find_libraries_by_folder()
    except OSError as error:
        walls["missing"].append(f"seccomp: {error}")
    return walls


def append_only(fd):
    """Have a file grow at its end alone: who may print must not write over a log."""
    if stat.S_ISREG(os.fstat(fd).st_mode):
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)


def _own_paths():
    environment = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    return [*_SYSTEM, *sorted(prefixes), *filter(None, environment)]


def _filter_calls():
    machine = os.uname().machine
    if machine not in syscall_filter.ARCHITECTURES or struct.calcsize("P") != 8:
        raise OSError(f"no list of system calls is kept for {machine}")
    code = syscall_filter.packed(syscall_filter.program(machine, os.getpid()))
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    result = -1
    for flags in (_ALL_THREADS | _SAME_SPEED, _ALL_THREADS):  # older kernels know the first alone
        result = landlock.call("syscall", _SECCOMP[machine], 1, flags, program)
        if result == 0:
            return
    if landlock.checked(result):
        raise OSError(f"thread {result} has a filter of its own")


def places_of(packages):
    """Where packages lie that sys.path does not lead to, as those of editable installs."""
    places = []
    for finder in sys.meta_path:
        mapping = getattr(sys.modules.get(getattr(finder, "__module__", "")), "MAPPING", None)
        places += mapping.values() if isinstance(mapping, dict) else []
    for package in packages:
        with contextlib.suppress(ImportError, ValueError, AttributeError):
            spec = importlib.util.find_spec(package)  # of a package, which imports nothing
            places += spec.submodule_search_locations or [spec.origin]
    return [place for place in places if isinstance(place, str)]


def check_locks_of_joblib():
    """Import the module in which joblib makes a lock in a file, to learn whether processes can.

    Behind the walls it could not, and joblib would then use no threads either.
    """
    joblib = importlib.util.find_spec("joblib")
    for folder in (joblib and joblib.submodule_search_locations) or []:
        path = os.path.join(folder, f"{_LOCKS}.py")
        if os.path.exists(path):
            spec = importlib.util.spec_from_file_location(f"joblib.{_LOCKS}", path)
            sys.modules[spec.name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[spec.name])


def name_temporary_folder():
    """Some libraries ask tempfile for its folder while they are imported.

    It finds one by writing into each, which fails behind the walls. Naming one beforehand lets the
    import pass; who then writes there is refused as anywhere else.
    """
    tempfile.tempdir = os.environ.get("TMPDIR") or "/tmp"


def do_without_files_of_scipy():
    """Some builds of scipy make a file for messages while scipy.stats is imported.

    That module of theirs is replaced, so that the import passes; what it has besides (samplers of
    random numbers) is refused with the reason.
    """
    scipy = importlib.util.find_spec("scipy")
    for folder in (scipy and scipy.submodule_search_locations) or []:
        for path in glob.glob(os.path.join(glob.escape(folder), "_lib", "messagestream.*.so")):
            with open(path, "rb") as file:
                if b"mkstemp" in file.read():
                    sys.modules[_WRITER] = _without_files(_WRITER)


def _without_files(name):
    module = types.ModuleType(name)

    def get(attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)

        def refuse(*_, **__):
            raise PermissionError(
                errno.EPERM, f"this release of scipy writes files for {attribute}", name
            )

        return refuse

    module.__getattr__ = get
    return module


def find_libraries_by_folder():
    """ctypes asks programs where a library is; here it looks into the system's folders."""
    from ctypes import util

    if hasattr(util, "_findSoname_ldconfig"):
        util._findSoname_ldconfig = _library
        util._findLib_gcc = util._findLib_ld = lambda name: None


def _library(name):
    own = f"/lib/{os.uname().machine}-linux-gnu"
    for folder in (own, "/lib64", "/usr/lib64", f"/usr{own}", "/lib", "/usr/lib", "/usr/local/lib"):
        found = glob.glob(f"{folder}/lib{glob.escape(name)}.so.*")
        if found:
            return os.path.basename(min(found, key=len))
    return None


def prefer_threads():
    """Where no process can be started, locks are between threads, and so are joblib's workers."""
    context = sys.modules.get("multiprocessing.context")
    if context is not None:
        context.BaseContext.Lock = lambda self: threading.Lock()
    parallel = sys.modules.get("joblib.parallel")
    if parallel is not None:
        parallel.DEFAULT_BACKEND = "threading"
    counts = sys.modules.get("joblib.externals.loky.backend.context")
    if counts is not None and getattr(counts, "physical_cores_cache", 0) is None:
        counts.physical_cores_cache = _cores() or None  # it would start a program to count them


def _cores():
    """How many cores the processors have that are running."""
    found = set()
    for path in glob.glob("/sys/devices/system/cpu/cpu[0-9]*/topology"):
        with contextlib.suppress(OSError):
            names = [os.path.join(path, name) for name in ("physical_package_id", "core_id")]
            found.add(tuple(_text(name) for name in names))
    return len(found)


def _text(path):
    with open(path) as file:
        return file.read().strip()
