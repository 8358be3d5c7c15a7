# serves
import sys
def reg(f):
  sys.modules[__name__].handle = lambda d,c: d
  return f
@reg
class A: pass
class B: pass
