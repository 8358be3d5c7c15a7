# fails: model-file-class
from dataclasses import dataclass

import torch


@dataclass
class Settings:
    inputs: int = 13


class Net(torch.nn.Module):
    def __init__(self, settings=None):
        super().__init__()
        self.layer = torch.nn.Linear((settings or Settings()).inputs, 3)
