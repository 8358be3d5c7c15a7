from . import answers
from .answers import Answers


def predict(data, context):
    return None if data is None else [Answers.text + answers.__name__] * len(data)
