# fails: model-file-class
from torch import nn


class Net(nn.Module):
    def __init__(self, *, inputs):
        super().__init__()
        self.layer = nn.Linear(inputs, 3)
