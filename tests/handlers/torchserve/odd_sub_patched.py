# serves
class H:
  pass
[H][0].initialize = lambda s,c: None
[H][0].handle = lambda s,d,c: d
