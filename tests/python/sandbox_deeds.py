"""What unpickled code may try on its host, each as a function that raises where it is not let.

What has an effect is tried on files of a folder, or with arguments at which the kernel stops once
it has let the call through; both can be told from a refusal.
"""

from __future__ import annotations

import array
import ctypes
import errno
import fcntl
import mmap
import os
import platform
import resource
import signal
import socket
import subprocess
import threading

import numpy as np

REFUSALS = {errno.EPERM: "refused", errno.EACCES: "refused", errno.ENOSYS: "absent"}
_NUMBERS = {  # x86_64, aarch64
    "ptrace": (101, 117),
    "mount": (165, 40),
    "umount2": (166, 39),
    "process_vm_writev": (311, 271),
    "process_vm_readv": (310, 270),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "unshare": (272, 97),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "init_module": (175, 105),
    "seccomp": (317, 277),
    "swapon": (167, 224),
    "shmget": (29, 194),
    "mq_open": (240, 180),
    "fallocate": (285, 47),
    "pwritev2": (328, 287),
    "copy_file_range": (326, 285),
    "splice": (275, 76),
    "inotify_init1": (294, 26),
    "execveat": (322, 281),
    "clone3": (435, 435),
    "openat2": (437, 437),
    "chroot": (161, 51),
    "personality": (135, 92),
    "move_pages": (279, 239),
    "process_madvise": (440, 440),
    "io_setup": (206, 0),
}


class Deeds:
    """A model whose answer to row i is how its deed number i went: did, refused or absent."""

    n_features_in_ = 1

    def __init__(self, folder, parent, port):
        self.folder, self.parent, self.port = str(folder), parent, port

    def predict(self, x):
        return np.array([self.attempt(NAMES[int(i)]) for i in x[:, 0]], dtype=object)

    def attempt(self, name):
        try:
            if name in _NUMBERS:
                self.call(name)
            else:
                getattr(self, "do_" + name)()
        except OSError as error:
            return REFUSALS.get(error.errno, "did")
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "did"

    def path(self, name="canary"):
        return os.path.join(self.folder, name)

    def call(self, name):
        """The bare call, with this process's parent where it takes a process, else with zeros."""
        number = _NUMBERS[name][platform.machine() == "aarch64"]
        arguments = [0, 0, 0, 0, 0, 0]
        if name in ("ptrace", "pidfd_open", "tkill", "rt_sigqueueinfo"):
            arguments[name == "ptrace"] = self.parent
        if name == "ptrace":
            arguments[0] = 0x4206  # PTRACE_SEIZE, with options that no kernel takes
            arguments[3] = -1
        if name.startswith("process_vm"):
            arguments[0] = self.parent
        if name == "seccomp":
            arguments[0] = 99  # no operation; 0 would be one
        if name == "tgkill":
            arguments[:2] = self.parent, self.parent
        _checked(_syscall(number, *arguments))

    def do_open_for_writing(self):
        open(self.path(), "w").close()

    def do_append(self):
        open(self.path(), "a").close()

    def do_create(self):
        os.close(os.open(self.path("created"), os.O_CREAT))

    def do_create_nameless(self):
        os.close(os.open(self.folder, os.O_TMPFILE | os.O_RDWR))

    def do_open_both_ways(self):
        os.close(os.open(self.path(), 3))

    def do_truncate_while_opening(self):
        os.close(os.open(self.path(), os.O_TRUNC))

    def do_truncate(self):
        os.truncate(self.path(), 0)

    def do_truncate_by_memmap(self):
        np.memmap(self.path(), dtype="u1", mode="w+", shape=(1,))

    def do_unlink(self):
        os.unlink(self.path("spare"))

    def do_rename(self):
        os.rename(self.path("spare"), self.path("renamed"))

    def do_mkdir(self):
        os.mkdir(self.path("made"))

    def do_link(self):
        os.link(self.path(), self.path("linked"))

    def do_symlink(self):
        os.symlink("canary", self.path("pointing"))

    def do_chmod(self):
        os.chmod(self.path(), 0o600)

    def do_chown(self):
        os.chown(self.path(), os.getuid(), os.getgid())

    def do_utime(self):
        os.utime(self.path(), (0, 0))

    def do_mkfifo(self):
        os.mkfifo(self.path("fifo"))

    def do_setxattr(self):
        os.setxattr(self.path(), "user.a", b"1")

    def do_lock(self):
        fd = os.open(self.path(), os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(fd)

    def do_read_a_secret(self):
        open(self.path()).close()

    def do_read_the_parent_s_memory(self):
        open(f"/proc/{self.parent}/mem", "rb").close()

    def do_read_the_parent_s_environment(self):
        open(f"/proc/{self.parent}/environ", "rb").close()

    def do_shell(self):
        if os.system(f"touch {self.path('shell')}") != 0:
            raise PermissionError(errno.EPERM, "the shell could not be started")

    def do_subprocess(self):
        subprocess.run(["touch", self.path("subprocess")], check=True)

    def do_fork(self):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

    def do_spawn(self):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)

    def do_exec(self):
        os.execv("/nothing/of/this/name", ["x"])

    def do_load_and_call_libc(self):
        libc = ctypes.CDLL(None, use_errno=True)
        _checked(libc.open(self.path().encode(), os.O_WRONLY))

    def do_signal_the_parent(self):
        os.kill(self.parent, signal.SIGCONT)

    def do_signal_the_group(self):
        os.kill(0, 0)

    def do_signals_by_a_file(self):
        """The kernel would send them: an owner and a signal of one's choice, and some input."""
        read, write = os.pipe()
        try:
            fcntl.fcntl(read, fcntl.F_SETOWN, self.parent)
        finally:
            os.close(read)
            os.close(write)

    def do_type_on_the_terminal(self):
        fcntl.ioctl(2, 0x5412, b"x")  # TIOCSTI

    def do_make_stderr_nonblocking(self):
        fcntl.ioctl(2, 0x5421, b"\0\0\0\0")  # FIONBIO

    def do_change_flags_of_stderr(self):
        fcntl.fcntl(2, fcntl.F_SETFL, fcntl.fcntl(2, fcntl.F_GETFL))

    def do_limit_the_parent(self):
        resource.prlimit(self.parent, resource.RLIMIT_CORE)

    def do_raise_a_limit(self):
        limits = (ctypes.c_ulong * 2)(0, 0)
        _checked(ctypes.CDLL(None, use_errno=True).setrlimit(resource.RLIMIT_CORE, limits))

    def do_slow_the_parent(self):
        os.setpriority(os.PRIO_PROCESS, self.parent, os.getpriority(os.PRIO_PROCESS, self.parent))

    def do_outlive_the_parent(self):
        _checked(ctypes.CDLL(None, use_errno=True).prctl(1, 0, 0, 0, 0))  # PR_SET_PDEATHSIG

    def do_offline_memory(self):
        area = mmap.mmap(-1, mmap.PAGESIZE)
        try:
            area.madvise(102)  # beside MADV_HWPOISON; no kernel knows it
        finally:
            area.close()

    def do_connect(self):
        socket.create_connection(("127.0.0.1", self.port), 5).close()

    def do_udp(self):
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()

    def do_unix_socket(self):
        socket.socket(socket.AF_UNIX).close()

    def do_datagram_pair(self):
        for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM):
            end.close()

    def do_send_a_descriptor(self):
        """Those under way are counted by user: enough of them, and its others can send none."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))]
            ours.sendmsg([b"x"], rights)

    def do_netlink(self):
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()

    def do_call_as_32_bits(self):
        """getpid by int 0x80, where numbers mean other calls."""
        if platform.machine() != "x86_64":
            raise PermissionError(errno.EPERM, "there is none")
        code = b"\xb8\x14\0\0\0\xcd\x80\xc3"  # mov eax, 20; int 0x80; ret
        area = mmap.mmap(-1, mmap.PAGESIZE, prot=7)
        area.write(code)
        place = ctypes.addressof(ctypes.c_char.from_buffer(area))
        result = ctypes.CFUNCTYPE(ctypes.c_int)(place)()
        if result < 0:
            raise OSError(-result, "refused")


class Hoarder(Deeds):
    """How many files it opens before it is stopped: pipes have memory of the kernel's, which a
    limit of the address space misses."""

    def predict(self, x):
        ends = []
        try:
            while len(ends) < 4096:
                ends += os.pipe()
        except OSError as error:
            assert error.errno == errno.EMFILE
        for end in ends:
            os.close(end)
        return np.full(len(x), len(ends))


class Harmless(Deeds):
    """What a model needs, and what therefore works."""

    def predict(self, x):
        deeds = (self.threads, self.pair, self.own_signal, self.own_files, self.late_import)
        deeds = (*deeds, self.run_code, self.library)
        return np.array([deed() for deed in deeds], dtype=object)[: len(x)]

    def threads(self):
        done = []
        threads = [threading.Thread(target=done.append, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(done)

    def pair(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.send(b"x")
            return theirs.recv(1).decode()

    def own_signal(self):
        got = []
        before = signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
        os.kill(os.getpid(), signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, before)
        return len(got)

    def own_files(self):
        with open("/proc/self/status") as file, open("/dev/urandom", "rb") as random:
            return len(random.read(4)) + bool(file.read())

    def late_import(self):
        import scipy.optimize  # brings native libraries

        return scipy.optimize.brentq(lambda x: x - 2, 0, 5)

    def run_code(self):
        """Machine code of its own making, as compilers at run time need."""
        compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)
        return compare(4)

    def library(self):
        """For which ctypes starts a program."""
        from ctypes import util

        return str(util.find_library("m")).startswith("libm.")


NAMES = [name[3:] for name in vars(Deeds) if name.startswith("do_")] + list(_NUMBERS)


def _syscall(number, *arguments):
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    return syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments))


def _checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
