# serves
import functools

from torch import nn


def from_settings(init):
    @functools.wraps(init)
    def wrapper(self):
        init(self, {"inputs": 13})

    return wrapper


class Net(nn.Module):
    @from_settings
    def __init__(self, settings):
        super().__init__()
        self.layer = nn.Linear(settings["inputs"], 3)
