# serves
class H:
  def __init__(self, *, a=1, **k): pass
  def initialize(s,c,*x): pass
  def handle(s,d,c,*x,y=1): return d
