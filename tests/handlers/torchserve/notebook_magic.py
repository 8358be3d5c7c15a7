# fails: handler-syntax
%matplotlib inline
!pip install torch


def handle(data, context):
    return None if data is None else ["x"]
