"""Training in one process, or in several that share each batch, on one or more machines (torchrun)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def find_device(name: str) -> torch.device:
    """The device of this process: "cpu", "cuda", or for "auto" CUDA if available.

    Each process on a machine gets its own GPU. Raises `ValueError` if there is none left for this one.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ValueError("device: got cuda, but torch finds no CUDA device on this machine")
    local, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if local >= gpus:
        raise ValueError(
            f"device: wanted a GPU for each process on this machine, got {gpus} for at least {local + 1}; "
            "start fewer, or choose cpu"
        )
    return torch.device("cuda", local)


class Process:
    """This process: the only one, or one of those that torchrun started."""

    def __init__(self, device: str) -> None:
        self.rank, self.count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = find_device(device)
        cuda = self.device.type == "cuda"
        if cuda:
            torch.cuda.set_device(self.device)
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS needs it for `repeatable`
        if self.count > 1:
            dist.init_process_group("nccl" if cuda else "gloo")

    @property
    def first(self) -> bool:
        """Whether this is rank 0, the process that prints and writes."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """Wrap the model so that gradients are averaged over all processes."""
        if self.count == 1:
            return model
        wrapped = DistributedDataParallel(model)
        wrapped.pad = model.pad
        return wrapped

    def all_reduce(self, number: Tensor) -> Tensor:
        """The sum of a number over all processes."""
        if self.count > 1:
            dist.all_reduce(number)
        return number

    def broadcast(self, thing: Any) -> Any:
        """Return the first process's object in every process; the others' arguments are ignored."""
        box = [thing]
        if self.count > 1:
            dist.broadcast_object_list(box, src=0)
        return box[0]

    @contextmanager
    def repeatable(self) -> Iterator[None]:
        """Make results reproducible to the last bit; on a GPU this needs torch's deterministic algorithms."""
        before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(before or self.device.type == "cuda")
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)

    def close(self) -> None:
        """Leave the process group."""
        if self.count > 1:
            dist.destroy_process_group()
