# fails: handler-entry
import typing as t

if t.TYPE_CHECKING:
    from service import handle
