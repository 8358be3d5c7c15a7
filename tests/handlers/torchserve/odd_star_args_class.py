# serves
class H(*[object]):
  def initialize(s,c): pass
  def handle(s,d,c): return d
