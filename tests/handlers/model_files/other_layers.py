# fails: unnamed
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.another_layer = nn.Linear(13, 3)
