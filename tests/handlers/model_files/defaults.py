# serves
import torch
import torch.nn.functional as F


class Classifier(torch.nn.Module):
    def __init__(self, inputs=13, classes: int = 3, *, dropout=0.1, **options):
        super(Classifier, self).__init__()
        self.layer = torch.nn.Linear(inputs, classes)
        self.dropout = dropout

    def forward(self, rows):
        return F.dropout(self.layer(rows), self.dropout, self.training)
