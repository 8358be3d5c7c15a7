# serves
FLAG = False
def set_it():
  global FLAG
  FLAG = True
set_it()
if FLAG:
  def handle(d,c): return d
