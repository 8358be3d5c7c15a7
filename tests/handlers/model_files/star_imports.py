# serves
from torch.nn import *


class Net(Module):
    def __init__(self):
        super().__init__()
        self.layer = Linear(13, 3)
