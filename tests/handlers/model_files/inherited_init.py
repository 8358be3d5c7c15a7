# serves
from torch import nn


class Net(nn.ModuleDict):
    layers = {"layer": (13, 3)}

    def load_state_dict(self, *arguments, **options):
        self.update({name: nn.Linear(*sizes) for name, sizes in self.layers.items()})
        return super().load_state_dict(*arguments, **options)
