# serves
class H:
  def initialize(s,c): pass
  def handle(s,d,c): return d
U = H | None
