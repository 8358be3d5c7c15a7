# serves
from collections import OrderedDict

from torch import nn


class Net(nn.Sequential):
    def __init__(self, *layers):
        super().__init__(OrderedDict(layer=nn.Linear(13, 3)))
