# serves
def handle(d, c, x): return d
handle.__defaults__ = (1,)
