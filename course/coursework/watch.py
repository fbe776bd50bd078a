"""What the processes of a sandbox take, as this machine counts it."""

import contextlib
import os
from pathlib import Path

GONE = (FileNotFoundError, ProcessLookupError)  # it has ended meanwhile; every other error is raised


def family(process: int) -> list[int]:
    """A process, its children, theirs, and so on, as this machine numbers them."""
    found, look = [], [process]
    while look:
        number = look.pop()
        found.append(number)
        with contextlib.suppress(*GONE):
            for thread in os.listdir(f"/proc/{number}/task"):
                with contextlib.suppress(*GONE):
                    look += map(int, Path(f"/proc/{number}/task/{thread}/children").read_bytes().split())
    return found


def memory(process: int, *, exact: bool) -> int:
    """Bytes that a process holds; `exact` divides what is shared among its holders, and takes longer.

    A process can ask not to be looked into: then the exact number is kept from who is not root.
    """
    try:
        lines = Path(f"/proc/{process}/{'smaps_rollup' if exact else 'status'}").read_bytes().splitlines()
    except GONE:
        return 0
    except PermissionError:
        if not exact:
            raise
        return memory(process, exact=False)
    wanted = (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:") if exact else (b"RssAnon:", b"RssShmem:", b"VmSwap:")
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(wanted))


def count_threads(process: int) -> int:
    try:
        return len(os.listdir(f"/proc/{process}/task"))
    except GONE:
        return 0


def count_files(processes: list[int]) -> int:
    """Files in the memory that a sandbox may write to: also an empty one takes some that no process holds.

    They are seen through any process in it (the first is outside of it) that lets itself be looked into.
    """
    refused = None
    for process in processes[1:]:
        try:
            found = [os.statvfs(f"/proc/{process}/root/{folder}") for folder in ("tmp", "dev/shm")]
            return sum(about.f_files - about.f_ffree for about in found)
        except GONE:
            continue
        except PermissionError as error:
            refused = error
    if refused:
        raise refused
    return 0


def memory_left() -> int:
    found = [
        line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:")
    ]
    return 1024 * int(found[0].split()[1])
