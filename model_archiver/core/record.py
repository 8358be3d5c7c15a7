"""The base class of the shared data types: immutable by convention, compared by value."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_):  # noqa: ANN003, ANN201
        """Return a decorator that changes nothing: only type checkers read it."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Record:
    """An object whose annotated fields are its value.

    It does what a frozen dataclass does, but importing ``dataclasses`` takes as long as a third of a small build. Type
    checkers see a frozen dataclass; ``class Name(Record, frozen=False)`` may be changed. A field that is missing,
    unknown or given twice raises a TypeError.
    """

    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, frozen: bool = True) -> None:
        own = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - importing inspect takes too long
        cls._fields = (*cls._fields, *(name for name in own if name not in cls._fields))

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the fields are annotated
        names = self._fields
        values = dict(zip(names, args, strict=False))
        if len(args) > len(names) or not values.keys().isdisjoint(kwargs):
            raise TypeError(f"{type(self).__name__} got too many values: {args!r}, {kwargs!r}")
        values.update(kwargs)
        if len(values) < len(names) or (kwargs and not kwargs.keys() <= set(names)):
            absent = [name for name in names if name not in values]
            defaults = {name: getattr(type(self), name) for name in absent if hasattr(type(self), name)}
            wrong = [name for name in absent if name not in defaults] + [name for name in kwargs if name not in names]
            values.update(defaults)
            if wrong:
                raise TypeError(f"{type(self).__name__}: missing or unknown fields: {', '.join(wrong)}")
        for name, value in values.items():  # unlike an update of __dict__, this lets instances share their keys
            setattr(self, name, value)

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401 - as the fields are annotated
        """Return a copy in which some fields have other values."""
        return type(self)(**{**self.as_dict(), **changes})

    def as_dict(self) -> Mapping[str, Any]:
        """Return the values by their names; the values themselves are not converted."""
        return {name: getattr(self, name) for name in self._fields}

    def __eq__(self, other: object) -> bool:
        return self.as_dict() == other.as_dict() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.as_dict().values()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.as_dict().items())
        return f"{type(self).__name__}({fields})"
