# serves
import torch.nn as nn


class Net(nn.Module):
    class Block(nn.Module):
        def forward(self, rows):
            return rows

    def __init__(self):
        super().__init__()
        self.block = self.Block()
        self.layer = nn.Linear(13, 3)

    def forward(self, rows):
        return self.layer(self.block(rows))
