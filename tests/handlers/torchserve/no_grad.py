# serves
import torch


@torch.no_grad()
def handle(data, context):
    if data is None:
        return None
    return torch.zeros(len(data)).tolist()
