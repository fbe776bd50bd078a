"""One process alone, or several that share each batch: on one machine or many, through torchrun."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def find_device(name: str) -> torch.device:
    """The device of this process: "cpu", "cuda", or with "auto" cuda where there is one.

    Of several processes on a machine each takes its own GPU. Raises `ValueError` where there is none for it.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ValueError("device: cuda was asked for, and torch finds none on this machine")
    local, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if local >= gpus:
        raise ValueError(
            f"device: wanted a GPU for each process on this machine, got {gpus} for at least {local + 1}; "
            "start fewer, or choose cpu"
        )
    return torch.device("cuda", local)


class Process:
    """This process among those that share the work: one alone, or what torchrun has started."""

    def __init__(self, device: str) -> None:
        self.rank, self.count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = find_device(device)
        cuda = self.device.type == "cuda"
        if cuda:
            torch.cuda.set_device(self.device)
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what `repeatable` needs of cuBLAS
        if self.count > 1:
            dist.init_process_group("nccl" if cuda else "gloo")

    @property
    def first(self) -> bool:
        """Whether this is the one that prints and writes."""
        return self.rank == 0

    def share(self, model: nn.Module) -> nn.Module:
        """The model, with gradients averaged over all processes."""
        if self.count == 1:
            return model
        shared = DistributedDataParallel(model)
        shared.pad = model.pad
        return shared

    def total(self, number: Tensor) -> Tensor:
        """The sum of a number over all processes."""
        if self.count > 1:
            dist.all_reduce(number)
        return number

    def hand_out(self, thing: Any) -> Any:
        """What the first process hands over, on every process; what the others bring is not looked at."""
        box = [thing]
        if self.count > 1:
            dist.broadcast_object_list(box, src=0)
        return box[0]

    @contextmanager
    def repeatable(self) -> Iterator[None]:
        """Sums come out the same each time, to the last bit: on a GPU torch must be asked for that."""
        before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(before or self.device.type == "cuda")
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)

    def close(self) -> None:
        """Leave the group."""
        if self.count > 1:
            dist.destroy_process_group()
