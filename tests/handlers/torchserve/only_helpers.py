# fails: handler-entry
import os

import torch

DEVICE = torch.device("cpu")
ROOT = os.path.dirname(__file__)


def preprocess(data):
    return data


def postprocess(data):
    return data
