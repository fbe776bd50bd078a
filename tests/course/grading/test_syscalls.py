"""The system call filter behaves the same on both processor architectures, not only on this machine's."""

import struct

import pytest

from coursework import syscalls

ALLOWED, REFUSED, NONE = 0x7FFF0000, 0x00050001, 0x00050026
CALLS = {"x86_64": {"read": 0, "mmap": 9, "clone": 56}, "aarch64": {"read": 63, "mmap": 222, "clone": 220}}
PRIVATE, SHARED, SHARED_AND_CHECKED = 0x22, 0x21, 0x23
THREAD, USER = 0x3D0F00, 0x10000000


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: request.param)
    return request.param


def judge(call: int, *arguments: int, machine: int) -> int:
    """The kernel's decision about a call, found by interpreting the filter."""
    data = struct.pack("=IIQ6Q", call, machine, 0, *(*arguments, *[0] * 6)[:6])
    steps = list(struct.iter_unpack("=HBBI", syscalls.program()))
    place = value = 0
    while True:
        code, yes, no, number = steps[place]
        place += 1
        match code:
            case 0x20:
                (value,) = struct.unpack_from("=I", data, number)
            case 0x54:
                value &= number
            case 0x06:
                return number
            case 0x15:
                place += yes if value == number else no
            case 0x35:
                place += yes if value >= number else no
            case 0x45:
                place += yes if value & number else no


def test_forbidden_calls_are_rejected(machine):
    numbers = syscalls.NUMBERS[machine]
    here = {"machine": numbers["machine"]}
    calls = CALLS[machine]
    assert judge(calls["read"], 3, **here) == ALLOWED
    for name, number in numbers.items():
        if name not in ("machine", "clone", "clone3", "mmap"):
            assert judge(number, **here) == REFUSED, name
    assert judge(numbers["clone3"], **here) == NONE
    assert judge(calls["clone"], THREAD, **here) == ALLOWED
    assert judge(calls["clone"], THREAD | USER, **here) == REFUSED
    assert judge(calls["mmap"], 0, 100, 3, PRIVATE, **here) == ALLOWED
    assert judge(calls["mmap"], 0, 100, 3, 0x01, 5, **here) == ALLOWED
    for flags in (SHARED, SHARED_AND_CHECKED):
        assert judge(calls["mmap"], 0, 100, 3, flags, **here) == REFUSED


def test_calls_of_another_architecture_kill_the_process(machine):
    assert judge(0, machine=0x40000003) == 0x80000000
    assert judge(0x40000000 + 41, machine=syscalls.NUMBERS[machine]["machine"]) == NONE
