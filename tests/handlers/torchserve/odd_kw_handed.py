# serves
def fill(cls):
  cls.initialize = lambda s,c: None; cls.handle=lambda s,d,c: d
class H:
  pass
fill(cls=H)
