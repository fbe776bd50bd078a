"""Measure a sandbox's processes, memory, threads and files from outside, in /proc."""

import contextlib
import os
from pathlib import Path

GONE = (FileNotFoundError, ProcessLookupError)  # the process has ended in the meantime


def family(process: int) -> list[int]:
    """Return the IDs of a process and all its descendants, as the host numbers them."""
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
    """Return the bytes of anonymous, shared and swapped memory of a process.

    `exact` divides shared memory by the number of processes that share it, which is slower. A process can
    make itself unreadable to users other than root (PR_SET_DUMPABLE); then this is never exact.
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
    """Count the files in the sandbox's tmpfs folders: even an empty file takes memory that no process holds.

    The folders are read through the /proc entry of any process in the sandbox that allows it. The first
    process is bwrap, which is outside.
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
