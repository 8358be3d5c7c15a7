# serves
import types
H = types.new_class('H', (), {}, lambda ns: ns.update(initialize=lambda s,c: None, handle=lambda s,d,c: d))
H.__module__ = __name__
