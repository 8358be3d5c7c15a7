# serves
from typing import Callable
handle: Callable
handle = lambda d, c: d
