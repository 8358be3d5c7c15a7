# serves
from torch import nn


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs)


def initialized(module):
    nn.init.zeros_(module.bias)
    return module


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = initialized(linear(13, 3))
