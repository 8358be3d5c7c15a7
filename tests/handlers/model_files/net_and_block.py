# fails: model-file-class
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block(13)
        self.layer = nn.Linear(13, 3)
