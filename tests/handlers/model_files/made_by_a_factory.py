# serves
from torch import nn


def make(width):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(width, 3)

    return Net


WineNet = make(13)
