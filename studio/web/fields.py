"""Fields that the JSON of every room shares."""

import re
import unicodedata
from datetime import UTC, date, datetime, time
from typing import Any

from marshmallow import ValidationError, fields

from studio.clock import format_time


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
        min_length: Least number of characters after that.
        max_length: Most.
        forbid: Characters it must not hold.
        lines: Whether line breaks and tabs are allowed, as in descriptions.
    """

    def __init__(
        self, *, min_length: int = 0, max_length: int, forbid: str = "", lines: bool = False, **kwargs: Any
    ) -> None:
        metadata = {"minLength": min_length, "maxLength": max_length} | kwargs.pop("metadata", {})
        if forbid:
            metadata["pattern"] = f"^[^{re.escape(forbid)}]*$"
        super().__init__(metadata=metadata, **kwargs)
        self.min_length, self.max_length, self.forbid, self.lines = min_length, max_length, forbid, lines

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip()
        if not self.min_length <= len(text) <= self.max_length:
            raise ValidationError(f"must have {self.min_length} to {self.max_length} characters")
        allowed = "\n\r\t" if self.lines else ""
        if any(unicodedata.category(char) in ("Cc", "Cs") and char not in allowed for char in text):
            raise ValidationError("must not contain control characters")
        held = [char for char in self.forbid if char in text]
        if held:
            raise ValidationError(f"must not contain {held[0]!r}")
        return text


class StrictInteger(fields.Integer):
    """A JSON whole number; neither a text nor a boolean passes for one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool | str):
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
