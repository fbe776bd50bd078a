"""The seccomp filter of a sandbox: which system calls a submission may not make.

It refuses memory that does not count as any process's own (shared memory segments, message queues, socket
buffers), and new namespaces, where a submission could mount more memory and start more processes.
"""

import errno
import platform
import struct

NUMBERS = {  # system call numbers, and the kernel's identifier of the architecture (AUDIT_ARCH)
    "x86_64": {"machine": 0xC000003E, "clone": 56, "clone3": 435, "mmap": 9}
    | {"socket": 41, "socketpair": 53, "shmget": 29, "msgget": 68, "mq_open": 240, "memfd_create": 319}
    | {"memfd_secret": 447, "io_uring_setup": 425, "unshare": 272, "setns": 308},
    "aarch64": {"machine": 0xC00000B7, "clone": 220, "clone3": 435, "mmap": 222}
    | {"socket": 198, "socketpair": 199, "shmget": 194, "msgget": 186, "mq_open": 180, "memfd_create": 279}
    | {"memfd_secret": 447, "io_uring_setup": 425, "unshare": 97, "setns": 268},
}
LOAD, AND, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE, END = 0x7FFF0000, 0x00050000, 0x80000000
CALL, MACHINE = 0, 4  # offsets in the kernel's struct seccomp_data
NAMESPACES = 0x7E020000  # clone's flags CLONE_NEW…: each creates a namespace
SHARED, WITHOUT_FILE = 0x01, 0x20  # mmap's flags MAP_SHARED and MAP_ANONYMOUS


def known_machine() -> bool:
    return platform.machine() in NUMBERS


def program() -> bytes:
    """Return the filter as a classic BPF program, the format that bwrap --seccomp reads."""
    numbers = dict(NUMBERS[platform.machine()])
    machine, clone, mmap = (numbers.pop(name) for name in ("machine", "clone", "mmap"))
    steps = [(LOAD, MACHINE), (EQUAL, machine, 1, 0), (RETURN, END), (LOAD, CALL)]
    steps += [(AT_LEAST, 0x40000000, 0, 1), (RETURN, REFUSE | errno.ENOSYS)]  # the x32 ABI's numbers
    # A filter cannot see clone3's flags. The C library falls back to clone if clone3 is missing.
    steps += [(EQUAL, numbers.pop("clone3"), 0, 1), (RETURN, REFUSE | errno.ENOSYS)]
    for number in numbers.values():
        steps += [(EQUAL, number, 0, 1), (RETURN, REFUSE | errno.EPERM)]
    steps += [(EQUAL, clone, 0, 4), (LOAD, argument(0)), (ANY_BIT, NAMESPACES, 0, 1)]
    steps += [(RETURN, REFUSE | errno.EPERM), (RETURN, ALLOW)]
    steps += [(EQUAL, mmap, 0, 4), (LOAD, argument(3)), (AND, SHARED | WITHOUT_FILE)]
    steps += [(EQUAL, SHARED | WITHOUT_FILE, 0, 1), (RETURN, REFUSE | errno.EPERM), (RETURN, ALLOW)]
    return b"".join(struct.pack("=HBBI", code, *([*jumps] or [0, 0]), value) for code, value, *jumps in steps)


def argument(number: int) -> int:
    """Return the offset of an argument's lower 32 bits in struct seccomp_data."""
    return 16 + 8 * number
