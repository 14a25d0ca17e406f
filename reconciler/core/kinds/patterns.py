"""Regular expressions in files: such as every proxy knows, RE2's, without a look at what is around.

The engine behind the schemas has the same, so it is asked; a proxy would drop the route and say so
in its log alone.
"""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError, SchemaError, SchemaValidator, core_schema


def _known(pattern: str) -> str:
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError as error:
        said = str(error).strip().rpartition("error: ")[2]
        fix = "write a regular expression as RE2 has them, such as eu-.*"
        raise PydanticCustomError(
            "pattern", "{pattern}: {said}", {"pattern": repr(pattern), "said": said, "fix": fix}
        ) from error
    return pattern


Pattern: TypeAlias = Annotated[str, Field(max_length=512), AfterValidator(_known)]
