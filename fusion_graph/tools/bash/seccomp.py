"""The system calls a sandboxed command may not make, as a classic BPF program: seccomp(2), `struct sock_filter`.

A deny-list: commands are ordinary programs, and what is listed is how one leaves a sandbox, looks into other processes,
takes memory or disk that no limit sees, or reaches little used parts of the kernel.
"""

import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF opcodes
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000  # SECCOMP_RET_*
_EPERM, _ENOSYS, _EOPNOTSUPP, _EAFNOSUPPORT = 1, 38, 95, 97
# Offsets in struct seccomp_data; it is little-endian, so the low half of an argument is first.
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x40000000  # set in the numbers of the x32 ABI, a second door to every call

_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_SETUID_BITS = 0o6000
_CREATES = 0o100 | 0o20000000  # O_CREAT, and the bit that makes O_TMPFILE
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE: room beyond the end of a file, which the limit on its size does not see
_TIOCSTI, _TIOCLINUX, _TIOCSETD = 0x5412, 0x541C, 0x5423  # type into a terminal; give it another driver
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: not AF_VSOCK, which no namespace holds, nor AF_ALG, AF_NETLINK

# Number on x86_64 and on aarch64; None: the architecture does not have it.
_FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    # the kernel
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
    "io_setup": (206, 0),
    "vmsplice": (278, 75),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    # files that are no files, or that no path leads to
    "mknod": (133, None),
    "mknodat": (259, 33),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # memory that belongs to no process, so that no limit counts it
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    # open files on their way from process to process, which no list of descriptors shows
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
}
_UNKNOWN: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),  # its flags are out of sight: C libraries then use clone
    "openat2": (437, 437),  # its mode is, too
}


@dataclass(frozen=True, slots=True)
class _Arguments:
    """A call that is refused for what it is asked: `argument` has one of `bits`, where the one before has `if_bits`."""

    numbers: tuple[int | None, int | None]
    argument: int
    bits: int
    if_bits: int = 0
    errno: int = _EPERM


_BY_BITS = {
    "clone": _Arguments((56, 220), 0, _NEW_NAMESPACES),
    "chmod": _Arguments((90, None), 1, _SETUID_BITS),
    "fchmod": _Arguments((91, 52), 1, _SETUID_BITS),
    "fchmodat": _Arguments((268, 53), 2, _SETUID_BITS),
    "fchmodat2": _Arguments((452, 452), 2, _SETUID_BITS),
    "creat": _Arguments((85, None), 1, _SETUID_BITS),
    "open": _Arguments((2, None), 2, _SETUID_BITS, if_bits=_CREATES),
    "openat": _Arguments((257, 56), 3, _SETUID_BITS, if_bits=_CREATES),
    "fallocate": _Arguments((285, 47), 1, _KEEP_SIZE, errno=_EOPNOTSUPP),
}
_IOCTL, _SOCKET, _MMAP = (16, 29), (41, 198), (9, 222)
_MAP_SHARED, _MAP_ANONYMOUS = 1, 0x20
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # place in the pairs above, AUDIT_ARCH_*


def filter_program(machine: str = "") -> bytes | None:
    """Return the filter for a machine (default: this one), None if its system calls are not known here."""
    known = _ARCHITECTURES.get(machine or platform.machine())
    if known is None:
        return None
    place, architecture = known
    program = [
        _op(_LOAD, _ARCH_AT),
        _op(_JUMP_EQUAL, architecture, 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER_AT),
        *_when(_JUMP_GREATER_EQUAL, _X32, _refusal(_ENOSYS)),
    ]
    for numbers in _UNKNOWN.values():
        program += _on(numbers[place], _refusal(_ENOSYS))
    for numbers in _FORBIDDEN.values():
        program += _on(numbers[place], _refusal(_EPERM))
    for rule in _BY_BITS.values():
        program += _on(rule.numbers[place], _refused_bits(rule))
    program += _on(_IOCTL[place], [_argument(1), *_any_equal((_TIOCSTI, _TIOCLINUX, _TIOCSETD), _refusal(_EPERM))])
    program += _on(_SOCKET[place], [_argument(0), *_any_equal(_FAMILIES, _allowed()), *_refusal(_EAFNOSUPPORT)])
    shared = _when(_JUMP_SET, _MAP_SHARED, _refusal(_EPERM))  # memory that stays when no process shows it
    program += _on(_MMAP[place], [_argument(3), *_when(_JUMP_SET, _MAP_ANONYMOUS, shared)])
    return b"".join([*program, *_allowed()])


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _argument(index: int) -> bytes:
    return _op(_LOAD, _ARGUMENTS_AT + 8 * index)


def _refusal(errno: int) -> list[bytes]:
    return [_op(_RETURN, _ERRNO | errno)]


def _allowed() -> list[bytes]:
    return [_op(_RETURN, _ALLOW)]


def _when(test: int, value: int, then: list[bytes]) -> list[bytes]:
    """Run `then` if the test holds, else jump over it."""
    return [_op(test, value, 0, len(then)), *then]


def _on(number: int | None, then: list[bytes]) -> list[bytes]:
    """Run `then`, which ends the program, if this is the call; its number is what is loaded."""
    return [] if number is None else _when(_JUMP_EQUAL, number, [*then, *_allowed()])


def _any_equal(values: Iterable[int], then: list[bytes]) -> list[bytes]:
    return [step for value in values for step in _when(_JUMP_EQUAL, value, then)]


def _refused_bits(rule: _Arguments) -> list[bytes]:
    tested = [_argument(rule.argument), *_when(_JUMP_SET, rule.bits, _refusal(rule.errno))]
    return [_argument(rule.argument - 1), *_when(_JUMP_SET, rule.if_bits, tested)] if rule.if_bits else tested
