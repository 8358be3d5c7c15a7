# serves
def reg(f):
  globals()['handle'] = f
  return f
@reg
def predict(d,c): return d
