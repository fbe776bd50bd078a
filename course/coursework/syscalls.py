"""What a submission may not ask of the kernel: a filter (seccomp) that bubblewrap puts around it.

Refused is what takes memory that none of its processes is seen to hold (shared segments, queues, the buffers
of sockets), and namespaces of its own, in which it could mount more memory and have more processes.
"""

import errno
import platform
import struct

NUMBERS = {  # of the calls, and of the machine, as the kernel knows it
    "x86_64": {"machine": 0xC000003E, "clone": 56, "clone3": 435, "mmap": 9}
    | {"socket": 41, "socketpair": 53, "shmget": 29, "msgget": 68, "mq_open": 240, "memfd_create": 319}
    | {"memfd_secret": 447, "io_uring_setup": 425, "unshare": 272, "setns": 308},
    "aarch64": {"machine": 0xC00000B7, "clone": 220, "clone3": 435, "mmap": 222}
    | {"socket": 198, "socketpair": 199, "shmget": 194, "msgget": 186, "mq_open": 180, "memfd_create": 279}
    | {"memfd_secret": 447, "io_uring_setup": 425, "unshare": 97, "setns": 268},
}
LOAD, AND, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE, END = 0x7FFF0000, 0x00050000, 0x80000000
CALL, MACHINE = 0, 4  # where the kernel puts them
NAMESPACES = 0x7E020000  # flags of clone
SHARED, WITHOUT_FILE = 0x01, 0x20  # flags of mmap


def known_machine() -> bool:
    return platform.machine() in NUMBERS


def program() -> bytes:
    """The filter, as bubblewrap takes it."""
    numbers = dict(NUMBERS[platform.machine()])
    machine, clone, mmap = (numbers.pop(name) for name in ("machine", "clone", "mmap"))
    steps = [(LOAD, MACHINE), (EQUAL, machine, 1, 0), (RETURN, END), (LOAD, CALL)]
    steps += [(AT_LEAST, 0x40000000, 0, 1), (RETURN, REFUSE | errno.ENOSYS)]  # x86's calls by other numbers
    # The C library asks for clone where there is no clone3, whose flags a filter cannot see.
    steps += [(EQUAL, numbers.pop("clone3"), 0, 1), (RETURN, REFUSE | errno.ENOSYS)]
    for number in numbers.values():
        steps += [(EQUAL, number, 0, 1), (RETURN, REFUSE | errno.EPERM)]
    steps += [(EQUAL, clone, 0, 4), (LOAD, argument(0)), (ANY_BIT, NAMESPACES, 0, 1)]
    steps += [(RETURN, REFUSE | errno.EPERM), (RETURN, ALLOW)]
    steps += [(EQUAL, mmap, 0, 4), (LOAD, argument(3)), (AND, SHARED | WITHOUT_FILE)]
    steps += [(EQUAL, SHARED | WITHOUT_FILE, 0, 1), (RETURN, REFUSE | errno.EPERM), (RETURN, ALLOW)]
    return b"".join(struct.pack("=HBBI", code, *([*jumps] or [0, 0]), value) for code, value, *jumps in steps)


def argument(number: int) -> int:
    """Where the lower half of an argument of the call lies."""
    return 16 + 8 * number
