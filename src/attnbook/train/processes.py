"""One process alone, or several that share each batch: on one machine or many, through torchrun."""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


class Process:
    """This process among those that share the work: one alone, or what torchrun has started."""

    def __init__(self, device: str) -> None:
        self.rank, self.count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        self.device = (
            torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else torch.device("cpu")
        )
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

    def close(self) -> None:
        """Leave the group."""
        if self.count > 1:
            dist.destroy_process_group()
