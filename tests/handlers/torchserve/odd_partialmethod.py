# serves
from functools import partialmethod
class H:
  def _h(s,d,c,x): return d
  def initialize(s,c): pass
  handle = partialmethod(_h, x=1)
