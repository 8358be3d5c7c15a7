# fails: unnamed
import torch

model = torch.nn.Sequential(torch.nn.Linear(13, 3))
