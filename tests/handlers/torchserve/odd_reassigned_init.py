# serves
class H:
  def __init__(self, a): pass
  def initialize(s,c): pass
  def handle(s,d,c): return d
H.__init__ = lambda self: None
