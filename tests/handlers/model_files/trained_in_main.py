# serves
import torch
from torch import nn, optim

LEARNING_RATE = 1e-3
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(13, 3)

    def forward(self, rows):
        return self.layer(rows)


def train(net, rows):
    optimizer = optim.SGD(net.parameters(), LEARNING_RATE)
    optimizer.step()


if __name__ == "__main__":

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 0

    train(Net(), Rows())
