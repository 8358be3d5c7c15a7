# serves
from torch import nn


def with_layer(cls):
    original = cls.__init__

    def __init__(self):
        original(self, 13)

    cls.__init__ = __init__
    return cls


@with_layer
class Net(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.layer = nn.Linear(inputs, 3)
