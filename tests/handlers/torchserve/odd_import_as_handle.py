# serves
from operator import and_ as handle
handle = lambda d, c: d
