# serves
def b(): 
  return type('B',(),{'initialize':lambda s,c:None,'handle':lambda s,d,c:d})
class H(b()): pass
