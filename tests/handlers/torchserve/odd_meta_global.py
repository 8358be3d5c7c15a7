# serves
class M(type):
  def __init__(cls,*a):
    globals()['handle'] = lambda d,c: d
class A(metaclass=M): pass
class B: pass
