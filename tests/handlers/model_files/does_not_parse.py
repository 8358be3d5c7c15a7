# fails: model-file-class
from torch import nn


class Net(nn.Module)
    pass
