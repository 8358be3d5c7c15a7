# serves
from typing import overload
@overload
def handle(d): ...
@overload
def handle(d,c,e): ...
def handle(d,c=None,e=None): return d
