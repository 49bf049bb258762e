"""Fields that the JSON of every room shares."""

import re
from datetime import UTC, date, datetime, time
from typing import Any

from marshmallow import ValidationError, fields, validate

from studio.clock import format_time

# White space as regular expressions of all kinds know it: str.strip alone takes some control characters for it too.
WHITE = " \t\n\v\f\r\x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
CONTROL = r"\x00-\x1f\x7f-\x9f"
PATTERN_UP_TO = 10_000  # tools that make data by the document take minutes for longer ones
CONTROL_BUT_LINES = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"


class Time(fields.Field[datetime]):
    """A moment: answers in UTC with second precision; takes RFC 3339 with any offset, or a date (midnight UTC)."""

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else format_time(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str):
            raise ValidationError("must be a time such as 2026-05-03T07:00:00Z")
        try:
            if len(value) == len("2026-05-03"):
                return datetime.combine(date.fromisoformat(value), time(), UTC)
            moment = datetime.fromisoformat(value.replace(" ", "+"))  # a + in a query arrives as a blank
        except ValueError as error:
            raise ValidationError("must be a time such as 2026-05-03T07:00:00Z, or a date") from error
        if moment.tzinfo is None:
            raise ValidationError("must say its offset, such as 2026-05-03T07:00:00Z")
        try:
            return moment.astimezone(UTC)
        except OverflowError as error:
            raise ValidationError("must lie between the years 1 and 9999 in UTC") from error


class Text(fields.String):
    """A text without control characters; white space around it is dropped.

    Args:
        min_length: 1 where it must not be empty after that.
        max_length: Most characters before that.
        forbid: Characters it must not hold.
        lines: Whether line breaks and tabs are allowed, as in descriptions.
    """

    def __init__(
        self, *, min_length: int = 0, max_length: int, forbid: str = "", lines: bool = False, **kwargs: Any
    ) -> None:
        barred = (CONTROL_BUT_LINES if lines else CONTROL) + re.escape(forbid)
        told: dict[str, Any] = {"minLength": min_length, "maxLength": max_length}
        first = rf"[^\s{barred}]" if min_length else ""
        if max_length <= PATTERN_UP_TO:
            told["pattern"] = rf"^\s*{first}[^{barred}]*\s*$"
        super().__init__(metadata=told | kwargs.pop("metadata", {}), **kwargs)
        self.min_length, self.max_length, self.forbid = min_length, max_length, forbid
        self._control = re.compile(f"[{CONTROL_BUT_LINES if lines else CONTROL}]")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        given = super()._deserialize(value, attr, data, **kwargs)
        text = given.strip(WHITE)
        if len(text) < self.min_length or len(given) > self.max_length:
            raise ValidationError(f"must have {self.min_length} to {self.max_length} characters")
        if self._control.search(text):
            raise ValidationError("must not contain control characters")
        held = [char for char in self.forbid if char in text]
        if held:
            raise ValidationError(f"must not contain {held[0]!r}")
        return text


class Map(fields.Dict):
    """An object whose keys are free; a fault is reported at the key it belongs to."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        except ValidationError as error:
            if isinstance(error.messages, dict):  # of marshmallow: by key, then apart for the key and its value
                faults = {
                    key: [text for part in parts.values() for text in part] for key, parts in error.messages.items()
                }
                raise ValidationError(faults) from error
            raise


class StrictInteger(fields.Integer):
    """A JSON whole number, 7 as well as 7.0; neither a text nor a boolean passes for one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool | str) or (isinstance(value, float) and not value.is_integer()):
            raise ValidationError("must be a whole number")
        return super()._deserialize(value, attr, data, **kwargs)


class StrictNumber(fields.Float):
    """A JSON number; neither a text nor a boolean passes for one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if isinstance(value, bool | str):
            raise ValidationError("must be a number")
        return super()._deserialize(value, attr, data, **kwargs)


class StrictBoolean(fields.Boolean):
    """A JSON boolean."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("must be true or false")
        return value


def one_of(values: Any) -> Any:
    """Validator for an enumeration, with the message the API promises."""
    known = [str(value) for value in values]

    def check(value: str) -> None:
        if value not in known:
            raise ValidationError(f"must be one of {', '.join(known)}")

    return check


def choice(values: Any, **kwargs: Any) -> fields.String:
    """A text field of an enumeration, described as such in the OpenAPI document."""
    known = [str(value) for value in values]
    return fields.String(validate=one_of(known), metadata={"enum": known}, **kwargs)


def formed(pattern: str, fault: str, **kwargs: Any) -> fields.String:
    """A text that is a match of a pattern as a whole, described so in the OpenAPI document."""

    def check(value: str) -> None:
        if not re.fullmatch(pattern, value):
            raise ValidationError(fault)

    return fields.String(validate=check, metadata={"pattern": f"^{pattern}$"}, **kwargs)


def email(*, max_length: int, **kwargs: Any) -> fields.Email:
    """An e-mail address."""
    length = validate.Length(max=max_length, error=f"at most {max_length} characters")
    return fields.Email(validate=length, error_messages={"invalid": "must be an e-mail address"}, **kwargs)
