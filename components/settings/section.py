"""What the sections of the settings have in common.

A field of a section is named like its key in Pulumi.yaml (corosync_token_ms is corosyncTokenMs) and stands with its
check. What concerns several fields is in `checks`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic.alias_generators import to_camel

from components.settings.given import Given
from components.settings.mistake import Mistake

Check = tuple[str, Callable[[], object]]
"""A key, and what raises `Mistake` if its value does not fit the others."""

Note = Callable[[str, Mistake], None]
"""Takes a mistake with its key."""

UNREADABLE = "cannot be read"
"""What is told of a value for which a check has raised anything but `Mistake`, the text of which may quote a secret."""


class AlreadyReported(Exception):
    """A value is asked for that is wrong, which has been told already."""


class Section(BaseModel):
    """Some settings that belong together.

    Pulumi.yaml describes each. While not all mistakes are found, a section may lack the fields that are wrong; who asks
    for one raises `AlreadyReported`.
    """

    # Pydantic's own texts would quote secrets.
    model_config = ConfigDict(
        alias_generator=to_camel, arbitrary_types_allowed=True, frozen=True, hide_input_in_errors=True
    )

    @classmethod
    def config_keys(cls) -> list[str]:
        """Return the section's keys in Pulumi.yaml."""
        return [str(field.alias) for field in cls.model_fields.values()]

    @classmethod
    def read(cls, values: Mapping[str, Given], note: Note) -> Self:
        """Make the section of all its values that are good, and note what is wrong with the others.

        Args:
            values: what the configuration has, by key.
            note: takes the mistakes.
        """
        good: dict[str, Any] = {}
        try:
            return cls.model_validate(values, context=good)
        except ValidationError as errors:
            for error in errors.errors(include_input=False, include_url=False):
                wrong = error["ctx"]["error"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
                note(str(error["loc"][0]), wrong if isinstance(wrong, Mistake) else Mistake(UNREADABLE))
        return cls.model_construct(**good)

    def checks(self) -> Iterable[Check]:
        """Return how the fields have to fit each other."""
        return ()

    @field_validator("*", mode="wrap")
    @classmethod
    def keep_what_is_good(cls, value: Given, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        """Put a value that has passed its check into the context, by the field's name."""
        good: object = check(value)
        info.context[info.field_name] = good  # pyright: ignore[reportOptionalSubscript]
        return good

    if not TYPE_CHECKING:  # for a type checker every field is there

        def __getattr__(self, name: str) -> object:
            if name in type(self).model_fields:
                raise AlreadyReported
            return super().__getattr__(name)


def run(checks: Iterable[Check], note: Note) -> None:
    """Run checks; each only where all that it asks for is good, so that no mistake is told twice.

    Args:
        note: takes the mistakes.
    """
    for key, look in checks:
        try:
            look()
        except Mistake as mistake:
            note(key, mistake)
        except AlreadyReported:
            pass
