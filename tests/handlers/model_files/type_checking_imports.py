# serves
from __future__ import annotations

import typing

from torch import nn

if typing.TYPE_CHECKING:
    from torch import Tensor

    class Batch(typing.NamedTuple):
        rows: Tensor


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer: nn.Linear = nn.Linear(13, 3)

    def forward(self, batch: Batch) -> Tensor:
        return self.layer(batch)
