"""System calls: their numbers, harmless tries of those that are refused, and what the filter says of any.

A try reaches the kernel when it fails for another reason than the filter's, or does not fail. None of them could change
anything of the machine: their pointers, descriptors and flags are bad wherever they would do more than look.
"""

import platform
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
X86_64, AARCH64 = "x86_64", "aarch64"
AUDIT = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}
_PLACE = {X86_64: 0, AARCH64: 1}.get(platform.machine(), 0)

# Used by the commands of other cases.
NUMBERS = {
    "mmap": (9, 222),
    "munmap": (11, 215),
    "madvise": (28, 233),
    "sendmsg": (46, 211),
    "exit_group": (231, 94),
    "getsid": (124, 156),
}


def number(name: str) -> int:
    """Return the number of a call on this machine."""
    return NUMBERS[name][_PLACE]


@dataclass(frozen=True, slots=True)
class Try:
    """A call that is refused with `errno`. `given` is what perl gives it; `arguments` what the filter looks at.

    `rule` is its name among the rules. `hidden` says why the kernel's own refusal cannot be told from the filter's.
    """

    name: str
    numbers: tuple[int | None, int | None]
    given: str = ""
    arguments: Sequence[int] = ()
    errno: int = EPERM
    rule: str = ""
    hidden: str = ""

    @property
    def guard(self) -> str:
        return self.rule or self.name

    @property
    def here(self) -> int | None:
        return self.numbers[_PLACE]

    @property
    def command(self) -> str:
        """A script that says HARM if the kernel was reached, and that ends a child which the call has made."""
        given = re.sub(r'"([^"]*)"', lambda text: f"$text{_TEXTS.index(text[1])}", self.given)
        texts = "".join(f'$text{index} = "{text}";' for index, text in enumerate(_TEXTS))
        return (
            f'touch f; perl -e \'{texts} $d = $b = "x" x 64; $iov = pack("PQ", $d, 8);'
            ' $h = pack("Ii", 0, 0); $m = pack("I", 0); $how = pack("QQQ", 0, 0, 0);'
            f" $r = syscall({self.here}, {given}); $e = $! + 0;"
            f" syscall({number('exit_group')}, 0) if {self.here} == {CLONE[_PLACE]} && $r == 0;"
            f' print "HARM $r, error $e\\n" unless $r == -1 && $e == {self.errno};\' || echo HARM: it was not tried'
        )


CLONE = (56, 220)
_TEXTS = ("f", "c", "o", ".", "x", "fifo", "<", "+<")  # perl gives the kernel variables only, no literals
_ROOT = "the kernel refuses it to all but root, before it looks at anything"
_SETUID, _CREAT = 0o4755, 0o101
_TMPFILE = 0o20200002 if platform.machine() == X86_64 else 0o20040002

TRIES = [
    Try("ptrace", (101, 117), "0, 0, 0, 0"),
    Try("process_vm_readv", (310, 270), "$$, $iov, 1, $iov, 1, 0"),
    Try("process_vm_writev", (311, 271), "$$, $iov, 1, $iov, 1, 0"),
    Try("process_madvise", (440, 440), "-1, $iov, 1, 0, 0"),
    Try("pidfd_getfd", (438, 438), "-1, 0, 0"),
    Try("kcmp", (312, 272), "$$, $$, 1, 0, 0"),
    Try("mount", (165, 40), "1, 1, 1, 0, 0"),
    Try("umount2", (166, 39), "1, 0x1000"),
    Try("pivot_root", (155, 41), "1, 1", hidden=_ROOT),
    Try("chroot", (161, 51), "1"),
    Try("move_mount", (429, 429), "-1, 1, -1, 1, 0", hidden=_ROOT),
    Try("open_tree", (428, 428), "-1, 1, 0"),
    Try("open_tree_attr", (467, 467), "-1, 1, 0, 1, 0"),
    Try("fsopen", (430, 430), "1, 0", hidden=_ROOT),
    Try("fsconfig", (431, 431), "-1, 0, 0, 0, 0"),
    Try("fsmount", (432, 432), "-1, 0, 0", hidden=_ROOT),
    Try("fspick", (433, 433), "-1, 1, 0", hidden=_ROOT),
    Try("mount_setattr", (442, 442), "-1, 1, 0x10000000, 0, 0"),
    Try("unshare", (272, 97), "0"),
    Try("setns", (308, 268), "-1, 0"),
    Try("bpf", (321, 280), "0, 1, 1 << 20"),
    Try("userfaultfd", (323, 282), "1"),
    Try("perf_event_open", (298, 241), "1, 0, -1, -1, 1 << 30"),
    Try("io_uring_setup", (425, 425), "1, 1"),
    Try("io_uring_enter", (426, 426), "-1, 0, 0, 0, 0, 0"),
    Try("io_uring_register", (427, 427), "-1, 0, 0, 0"),
    Try("add_key", (248, 217), "1, 1, 0, 0, 0"),
    Try("request_key", (249, 218), "1, 1, 0, 0"),
    Try("keyctl", (250, 219), "9999, 0, 0, 0, 0"),
    Try("init_module", (175, 105), "1, 0, 1", hidden=_ROOT),
    Try("finit_module", (313, 273), "-1, 1, 0", hidden=_ROOT),
    Try("delete_module", (176, 106), "1, 0", hidden=_ROOT),
    Try("kexec_load", (246, 104), "0, 99, 1, 0", hidden=_ROOT),
    Try("kexec_file_load", (320, 294), "-1, -1, 0, 0, 0", hidden=_ROOT),
    Try("reboot", (169, 142), "1, 2, 3, 0", hidden=_ROOT),
    Try("swapon", (167, 224), "1, 1 << 27"),
    Try("swapoff", (168, 225), "1", hidden=_ROOT),
    Try("acct", (163, 89), "1", hidden=_ROOT),
    Try("syslog", (103, 116), "99, 0, 0", hidden=_ROOT),
    Try("quotactl", (179, 60), "99, 1, 0, 0"),
    Try("quotactl_fd", (443, 443), "-1, 0, 0, 0"),
    Try("fanotify_init", (300, 262), "0x200, 0"),
    Try("lookup_dcookie", (212, 18), "0, 1, 1", hidden=_ROOT),
    Try("io_setup", (206, 0), "0, 1"),
    Try("vmsplice", (278, 75), "-1, 1, 0, 0"),
    Try("modify_ldt", (154, None), "0, $b, 64"),
    Try("iopl", (172, None), "4"),
    Try("ioperm", (173, None), "-1, -1, 1"),
    Try("mknod", (133, None), '"fifo", 0010600, 0'),
    Try("mknodat", (259, 33), '-100, "fifo", 0010600, 0'),
    Try("name_to_handle_at", (303, 264), '-100, ".", $h, $m, 0'),
    Try("open_by_handle_at", (304, 265), "-1, 1, 0", hidden=_ROOT),
    Try("memfd_create", (319, 279), '"x", 0'),
    Try("memfd_secret", (447, 447), "-1"),
    Try("shmget", (29, 194), "0, 0, 0"),
    Try("msgget", (68, 186), "0x7a5b11, 0"),
    Try("semget", (64, 190), "0x7a5b11, 0, 0"),
    Try("sendmsg", (46, 211), "-1, 0, 0"),
    Try("sendmmsg", (307, 269), "-1, 0, 0, 0"),
    Try("clone3", (435, 435), "1, 0", errno=ENOSYS),
    Try("openat2", (437, 437), '-100, ".", $how, 24', errno=ENOSYS),
    Try("clone", CLONE, "0x10000000 | 17, 0, 0, 0, 0", (0x10000011,)),
    Try("chmod", (90, None), f'"f", {_SETUID}', (0, _SETUID)),
    Try("fchmod", (91, 52), f'fileno(open($f, "<", "f") && $f), {_SETUID}', (3, _SETUID)),
    Try("fchmodat", (268, 53), f'-100, "f", {_SETUID}', (0, 0, _SETUID)),
    Try("fchmodat2", (452, 452), f'-100, "f", {_SETUID}, 0', (0, 0, _SETUID)),
    Try("creat", (85, None), f'"c", {_SETUID}', (0, _SETUID)),
    Try("open", (2, None), f'"o", {_CREAT}, {_SETUID}', (0, _CREAT, _SETUID)),
    Try("openat", (257, 56), f'-100, "o", {_CREAT}, {_SETUID}', (0, 0, _CREAT, _SETUID)),
    Try(
        "openat of no name", (257, 56), f'-100, ".", {_TMPFILE}, {_SETUID}', (0, 0, _TMPFILE, _SETUID), rule="O_TMPFILE"
    ),
    Try("setgid", (268, 53), f'-100, "f", {0o2755}', (0, 0, 0o2755), rule="setgid"),
    Try(
        "fallocate beyond the end",
        (285, 47),
        'fileno(open($f, "+<", "f") && $f), 1, 0, 4096',
        (3, 1),
        95,
        rule="fallocate",
    ),
    Try("TIOCSTI", (16, 29), "0, 0x5412, $b", (0, 0x5412)),
    Try("TIOCLINUX", (16, 29), "0, 0x541c, $b", (0, 0x541C)),
    Try("TIOCSETD", (16, 29), "0, 0x5423, $b", (0, 0x5423)),
    Try("AF_NETLINK", (41, 198), "16, 3, 0", (16,), EAFNOSUPPORT, rule="socket"),
    Try("AF_VSOCK", (41, 198), "40, 1, 0", (40,), EAFNOSUPPORT, rule="socket", hidden="not every kernel has it"),
    Try("AF_ALG", (41, 198), "38, 5, 0", (38,), EAFNOSUPPORT, rule="socket", hidden="not every kernel has it"),
    Try("AF_PACKET", (41, 198), "17, 3, 0", (17,), EAFNOSUPPORT, rule="socket"),
    Try("x32", (0x40000000 | 39, None), "0", errno=ENOSYS, hidden="hardly any kernel has it"),
]

# What ordinary programs do, with the numbers beside which it must not be refused.
ORDINARY = {
    "read": ((0, 63), ()),
    "openat to read": ((257, 56), (0, 0, 0)),
    "openat to read, with bits that are not looked at": ((257, 56), (0, 0, 0, _SETUID)),
    "openat of a new file": ((257, 56), (0, 0, _CREAT, 0o666)),
    "a thread": (CLONE, (0x3D0F00,)),
    "a process": (CLONE, (0x1200011,)),
    "chmod 755": ((268, 53), (0, 0, 0o755)),
    "a socket of this machine": ((41, 198), (1,)),
    "a socket": ((41, 198), (2,)),
    "a socket of IPv6": ((41, 198), (10,)),
    "the size of a terminal": ((16, 29), (0, 0x5413)),
    "fallocate": ((285, 47), (3, 0)),
    "a group of descriptors": ((291, 20), ()),
}

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def verdict(program: bytes, machine: int, call: int, arguments: Sequence[int] = ()) -> str | int:
    """Return "allowed", "killed" or the error number that a classic BPF program of seccomp answers a call with."""
    steps = list(struct.iter_unpack("<HBBI", program))
    data = struct.pack("<IIQ6Q", call, machine, 0, *[*arguments, 0, 0, 0, 0, 0, 0][:6])
    at = loaded = 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x20:
            (loaded,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            break
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            at += if_true if holds else if_false
    if value & 0xFFFF0000 == _ERRNO:
        return int(value & 0xFFFF)
    return {_ALLOW: "allowed", _KILL: "killed"}[value]


def refused(program: bytes, machine: str) -> list[str]:
    """Return what a filter of a machine gets wrong, in words."""
    place, audit = (X86_64, AARCH64).index(machine), AUDIT[machine]
    other = AUDIT[AARCH64 if machine == X86_64 else X86_64]
    wrong = [
        f"{name}: {said}"
        for name, (numbers, arguments) in ORDINARY.items()
        if (said := verdict(program, audit, numbers[place], arguments)) != "allowed"
    ]
    return wrong + ([] if verdict(program, other, 0) == "killed" else ["another architecture"])


assert all(a.name != b.name for a, b in pairwise(sorted(TRIES, key=lambda each: each.name))), "names are used once"
