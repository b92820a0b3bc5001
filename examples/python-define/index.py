"""One function, declared once: HTTP endpoint, OpenAPI document and MCP tool.

`jelou dev` tries it, `jelou deploy` puts it behind its token.
"""

from pydantic import BaseModel, Field

from edge.sdk import Context, Response, define, response

NAMES = {"593987654321": "Ana Torres", "593912345678": "Luis Andrade"}


class Query(BaseModel):
    phone: str = Field(pattern="^[0-9]{7,15}$", description="Digits only, country code first")


class Customer(BaseModel):
    name: str
    phone: str


def handler(input: Query, ctx: Context) -> Customer | Response:
    ctx.log("Looking up", phone=input.phone, by=ctx.token_name)
    if name := NAMES.get(input.phone):
        return Customer(name=name, phone=input.phone)
    return response.status(404).json({"error": "no customer has this phone"})


default = define(
    name="find-customer",
    description="Finds a customer by phone",
    input=Query,
    output=Customer,
    handler=handler,
)
