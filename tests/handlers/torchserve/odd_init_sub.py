# serves
class H:
  def initialize(s,c): pass
  def handle(s,d,c): return d
  def __init_subclass__(cls): pass
