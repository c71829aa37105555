"""One record of a prediction file, and errors that say which record is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any

from mata_audio.errors import ScoringError

ID_KEYS = ("id", "uniq_id")  # the second is AIR-Bench's


@dataclass(frozen=True)
class Record:
    """A record and its number in the file, from 1; the content may be any JSON value."""

    number: int
    content: Any

    def error(self, problem: str) -> ScoringError:
        """Return the error that names this record and the problem."""
        name = f"record {self.number}"
        if isinstance(self.content, Mapping):
            ids = [self.content[key] for key in ID_KEYS if key in self.content]
            name += f" (id {ids[0]})" if ids else ""
        return ScoringError(f"{name}: {problem}")

    def fields(self) -> Mapping[str, Any]:
        """Return the content, which must be an object.

        Raises:
            ScoringError: it is something else.
        """
        if not isinstance(self.content, Mapping):
            raise self.error(f"must be an object; got {kind(self.content)}")
        return self.content

    def require(self, key: str) -> Any:
        """Return a field that must exist.

        Raises:
            ScoringError: there is no such field.
        """
        fields = self.fields()
        if key not in fields:
            raise self.error(f"{key} is missing")
        return fields[key]

    def text(self, key: str) -> str:
        """Return a field that must exist and be text.

        Raises:
            ScoringError: it is missing or not text.
        """
        value = self.require(key)
        if not isinstance(value, str):
            raise self.error(f"{key} must be text; got {kind(value)}")
        return value

    def group(self, key: str, value: Any) -> Any:
        """Return the value of a field that names a group, to be counted and printed.

        Raises:
            ScoringError: it cannot name a group, or cannot be printed.
        """
        if isinstance(value, (list, dict, set)):
            raise self.error(f"{key} must be text or one plain value; got {kind(value)}")
        return self.printable(key, value)

    def printable(self, key: str, value: Any) -> Any:
        """Return a value that will be printed.

        Raises:
            ScoringError: it is text with half a surrogate pair, which no output encoding can hold.
        """
        if isinstance(value, str):
            try:
                value.encode("utf-8")
            except UnicodeEncodeError as error:
                half = ascii(value[error.start])
                raise self.error(
                    f"{key} is printed, so it must be valid Unicode; it holds {half}, half a "
                    "surrogate pair"
                ) from None
        return value


def numbered(records: Iterable[Any]) -> Iterator[Record]:
    """Number the records from 1."""
    return (Record(number, content) for number, content in enumerate(records, start=1))


def kind(value: Any) -> str:
    """Describe a value in JSON's terms."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return f"the number {value}"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"a {type(value).__name__}"
