# serves
import operator
def fill(l):
  for a in ('initialize','handle'):
    type.__setattr__(l[0], a, lambda s,*x: x[0])
class H:
  pass
fill([H])
