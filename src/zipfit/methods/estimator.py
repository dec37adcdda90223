"""What every method of zipfit's own has besides its work: options by name as in scikit-learn, and pickling."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from zipfit.errors import need

if TYPE_CHECKING:
    from typing_extensions import Self


class Estimator:
    """A dataclass whose options are its constructor's arguments.

    What it holds of the native core is no part of its pickle, but made again from the rest where it is unpickled.

    Attributes:
        prepared: names of the attributes that `_prepare` sets.
    """

    prepared: ClassVar[tuple[str, ...]] = ()

    def _prepare(self) -> None:
        """Set what `prepared` names, from the options and what `fit` learned."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - no option is a method with options
        """The options and their values."""
        fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: getattr(self, field.name) for field in fields if field.init}

    def set_params(self, **options: Any) -> Self:
        """Set options by name, to be checked by the next `fit`, and return self.

        Raises:
            ZipfitError: it has no such option; none is set then.
        """
        known = self.get_params()
        for name in options:
            need(name in known, f"{type(self).__name__} has no option {name!r}: it has {', '.join(known) or 'none'}")
        vars(self).update(options)
        return self

    def __getstate__(self) -> tuple[dict[str, Any], bool]:
        state = vars(self)
        fitted = any(state.get(name) is not None for name in self.prepared)
        return {name: value for name, value in state.items() if name not in self.prepared}, fitted

    def __setstate__(self, state: tuple[dict[str, Any], bool]) -> None:
        vars(self).update(state[0])
        if state[1]:
            self._prepare()
