"""A seccomp filter in classic BPF: which system calls a worker process may still make.

It permits by list: what is not on it is refused with EPERM, which libraries report as an error, and
calls that are younger than the list with ENOSYS, on which they fall back to older ones. What is on
the list reads, computes, waits, and speaks over descriptors that are open: it opens nothing for
writing, starts no process, makes no connection and signals no other process.
"""

import errno
import struct

# Each call: its number on x86_64, and on aarch64 where it exists there.
PLAIN = """
read:0:63 readv:19:65 pread64:17:67 preadv:295:69 write:1:64 writev:20:66 lseek:8:62
close:3:57 close_range:436:436 dup:32:23 dup2:33: dup3:292:24 fstat:5:80 stat:4: lstat:6:
newfstatat:262:79 statx:332:291 access:21: faccessat:269:48 faccessat2:439:439 readlink:89:
readlinkat:267:78 getdents:78: getdents64:217:61 getcwd:79:17 chdir:80:49 fchdir:81:50
statfs:137:43 fstatfs:138:44 mmap:9:222 munmap:11:215 mremap:25:216 mprotect:10:226
brk:12:214 msync:26:227 mincore:27:232 membarrier:324:283 get_mempolicy:239:236 futex:202:98
futex_waitv:449:449 set_robust_list:273:99 get_robust_list:274:100 rseq:334:293
set_tid_address:218:96 rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139
sigaltstack:131:132 rt_sigpending:127:136 rt_sigtimedwait:128:137 rt_sigsuspend:130:133
pause:34: restart_syscall:219:128 exit:60:93 exit_group:231:94 poll:7: ppoll:271:73
select:23: pselect6:270:72 epoll_create:213: epoll_create1:291:20 epoll_ctl:233:21
epoll_wait:232: epoll_pwait:281:22 eventfd:284: eventfd2:290:19 pipe:22: pipe2:293:59
timerfd_create:283:85 timerfd_settime:286:86 timerfd_gettime:287:87 nanosleep:35:101
clock_nanosleep:230:115 clock_gettime:228:113 clock_getres:229:114 gettimeofday:96:169
time:201: times:100:153 getitimer:36:102 setitimer:38:103 alarm:37: getpid:39:172
getppid:110:173 gettid:186:178 getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177
getgroups:115:158 getresuid:118:148 getresgid:120:150 getpgrp:111: getpgid:121:155
getsid:124:156 uname:63:160 sysinfo:99:179 getrusage:98:165 getcpu:309:168 getrandom:318:278
sched_yield:24:124 sched_getaffinity:204:123 sched_getparam:143:121
sched_getscheduler:145:120 sched_get_priority_max:146:125 sched_get_priority_min:147:126
getpriority:140:141 getrlimit:97:163 capget:125:90 arch_prctl:158: recvmsg:47:212
recvfrom:45:207 getsockopt:55:209 getsockname:51:204 getpeername:52:205
wait4:61:260 waitid:247:95
"""
CHECKED = """
open:2: openat:257:56 clone:56:220 kill:62:129 tgkill:234:131 rt_sigqueueinfo:129:138
rt_tgsigqueueinfo:297:240 fcntl:72:25 ioctl:16:29 prctl:157:167 prlimit64:302:261
sched_setaffinity:203:122 socketpair:53:199 sendto:44:206 madvise:28:233 clone3:435:435
openat2:437:437
"""
YOUNGEST = 450  # the last number that was known when the lists were written
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_*

_LOAD, _EQUAL, _ABOVE, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x54, 6
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
REFUSE = ERRNO | errno.EPERM
ABSENT = ERRNO | errno.ENOSYS
PRETEND = ERRNO  # nothing is done, and the caller is told that it was

_WRITING = 0o3 | 0o100 | 0o1000 | 0o20000000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE
_THREAD = 0x00010100  # CLONE_THREAD, CLONE_VM
_NAMESPACES = 0x7E020080  # CLONE_NEW*
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC, F_GET_SEALS: no owner of signals, no lock.
_FCNTL = (0, 1, 2, 3, 1030, 1034)
# TCGETS, TIOCGWINSZ, FIONREAD, FIONCLEX, FIOCLEX: not TIOCSTI, which types on a terminal, nor
# FIONBIO, which would change the standard error that the serving process writes to as well.
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5450, 0x5451)
# PR_GET_PDEATHSIG, _GET_DUMPABLE, _SET_NAME, _GET_NAME, _GET_SECCOMP, _CAPBSET_READ,
# _GET_NO_NEW_PRIVS, _SVE_GET_VL, _SET_VMA (names of memory areas), _GET_AUXV.
_PRCTL = (2, 3, 15, 16, 21, 23, 39, 51, 0x53564D41, 0x41555856)
_MADVISE_MAX = 99  # beyond it lies MADV_HWPOISON, which takes memory from the machine


def numbers(table, architecture):
    """{name: number} of the calls in a table that the architecture has."""
    column = 1 + list(ARCHITECTURES).index(architecture)
    rows = (entry.split(":") for entry in table.split())
    return {row[0]: int(row[column]) for row in rows if row[column]}


def program(architecture, pid):
    """The filter for process `pid`, as a list of BPF instructions (code, jt, jf, k)."""
    code = [
        (_LOAD, 0, 0, 4),  # the call's architecture: 32-bit calls have numbers of their own
        (_EQUAL, 1, 0, ARCHITECTURES[architecture]),
        (_RETURN, 0, 0, REFUSE),
        (_LOAD, 0, 0, 0),
        (_ABOVE, 0, 1, YOUNGEST),  # among them all of the x32 ABI
        (_RETURN, 0, 0, ABSENT),
    ]
    for low, high in _ranges(numbers(PLAIN, architecture).values()):
        code += [(_AT_LEAST, 0, 2, low), (_ABOVE, 1, 0, high), (_RETURN, 0, 0, ALLOW)]
    checks = _checks(pid)
    for name, number in numbers(CHECKED, architecture).items():
        check = checks[name]
        code += [(_EQUAL, 0, len(check), number), *check]
    return [*code, (_RETURN, 0, 0, REFUSE)]


def packed(code):
    """The instructions as the kernel reads them."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _checks(pid):
    """For each call whose arguments decide: instructions that end by returning."""
    reading = [(_ANY_BIT, 0, 1, _WRITING), _refuse(), _allow()]
    own = _one_of(0, (pid,))
    return {
        "open": [_low(1), *reading],
        "openat": [_low(2), *reading],
        "openat2": [(_RETURN, 0, 0, ABSENT)],  # its flags lie in memory, where a filter cannot look
        "clone3": [(_RETURN, 0, 0, ABSENT)],
        "clone": [
            _low(0),
            (_ANY_BIT, 0, 1, _NAMESPACES),
            _refuse(),
            (_AND, 0, 0, _THREAD),
            (_EQUAL, 0, 1, _THREAD),
            _allow(),
            _refuse(),
        ],
        "kill": own,
        "tgkill": own,
        "rt_sigqueueinfo": own,
        "rt_tgsigqueueinfo": own,
        "fcntl": _one_of(1, _FCNTL),
        "ioctl": _one_of(1, _IOCTL),
        "prctl": _one_of(0, _PRCTL),
        "prlimit64": [*_zero(2), *_one_of(0, (0, pid))],  # may look at its limits, not set them
        # A filter cannot tell this process's threads from others: pinning one is left undone.
        "sched_setaffinity": [*_one_of(0, (0, pid))[:-1], (_RETURN, 0, 0, PRETEND)],
        "socketpair": [
            _low(0),
            (_EQUAL, 1, 0, 1),  # AF_UNIX
            _refuse(),
            _low(1),
            (_AND, 0, 0, 0xF),
            (_EQUAL, 0, 1, 1),  # SOCK_STREAM, which cannot be turned to another address
            _allow(),
            _refuse(),
        ],
        "sendto": [*_zero(4), _allow()],  # to whom it is connected
        "madvise": [_low(2), (_ABOVE, 0, 1, _MADVISE_MAX), _refuse(), _allow()],
    }


def _low(argument):
    return (_LOAD, 0, 0, 16 + 8 * argument)  # both architectures are little-endian


def _one_of(argument, values):
    code = [_low(argument)]
    for value in values:
        code += [(_EQUAL, 0, 1, value), _allow()]
    return [*code, _refuse()]


def _zero(argument):
    """Goes on where all 64 bits of the argument are 0."""
    code = []
    for half in (0, 4):
        code += [(_LOAD, 0, 0, 16 + 8 * argument + half), (_EQUAL, 1, 0, 0), _refuse()]
    return code


def _allow():
    return (_RETURN, 0, 0, ALLOW)


def _refuse():
    return (_RETURN, 0, 0, REFUSE)


def _ranges(values):
    """[first, last] of each run of whole numbers."""
    ranges = []
    for value in sorted(values):
        if ranges and ranges[-1][1] == value - 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    return ranges
