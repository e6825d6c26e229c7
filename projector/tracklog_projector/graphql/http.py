"""The endpoint /graphql: answers the queries of MLflow's web page from the views."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web
from graphql import ExecutionResult, GraphQLError, GraphQLSchema, execute, parse, validate

from tracklog_contract.errors import INVALID, MESSAGE_CHARS_MAX, Rejected
from tracklog_projector.graphql.answers import load_schema, resolve
from tracklog_projector.graphql.bounds import COMMENTS_MAX, TOKENS_MAX, check
from tracklog_projector.graphql.queries import resolvers
from tracklog_projector.service import Queries

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ERRORS_MAX: Final = 20


def root_routes(queries: Queries) -> list[tuple[str, str, Handler]]:
    """Routes to mount without a prefix."""
    schema = load_schema()
    assert schema.query_type is not None
    for name, resolver in resolvers(queries).items():
        schema.query_type.fields[name].resolve = resolver

    async def handle(request: web.Request) -> web.Response:
        result = await _result(schema, await _asked(request))
        # MLflow's page reads errors as texts; only what the client did wrong is told in this way.
        errors = [error.message[:MESSAGE_CHARS_MAX] for error in result.errors or []]
        body = msgspec.json.encode({"data": result.data, "errors": errors or None})
        return web.Response(body=body, content_type="application/json")

    return [("GET", "/graphql", handle), ("POST", "/graphql", handle)]


async def _asked(request: web.Request) -> Mapping[str, Any]:
    """The query, its variables and operationName."""
    if request.method == "GET":
        asked: dict[str, Any] = dict(request.query)
        if "variables" in asked:
            asked["variables"] = _json(asked["variables"])
        return asked
    if request.content_type != "application/json":
        raise Rejected(INVALID, "A GraphQL request has the content type application/json.")
    body = _json(await request.read())
    if isinstance(body, dict):
        return body
    raise Rejected(INVALID, "A GraphQL request's body is a JSON object.")


def _json(text: str | bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Rejected(INVALID, "The GraphQL request is not valid JSON.") from None


async def _result(schema: GraphQLSchema, asked: Mapping[str, Any]) -> ExecutionResult:
    """What the query gives.

    Raises: what a resolver raised beside Rejected, such as Busy: it is the answer's status then.
    """
    query, variables, operation = (asked.get(name) for name in ("query", "variables", "operationName"))
    if not isinstance(query, str):
        raise Rejected(INVALID, "A GraphQL request has a 'query' text.")
    if not isinstance(variables, dict | None) or not isinstance(operation, str | None):
        raise Rejected(INVALID, "'variables' is a JSON object, and 'operationName' a text.")
    try:
        document = parse(query, max_lexical_tokens=TOKENS_MAX, max_comments=COMMENTS_MAX)
        check(document)
    except GraphQLError as refusal:
        return ExecutionResult(None, [refusal])
    if errors := validate(schema, document, max_errors=ERRORS_MAX):
        return ExecutionResult(None, errors)
    result = execute(
        schema, document, variable_values=variables, operation_name=operation, field_resolver=resolve
    )
    if not isinstance(result, ExecutionResult):
        result = await result
    for error in result.errors or []:
        if error.original_error is not None and not isinstance(error.original_error, Rejected | GraphQLError):
            raise error.original_error
    return result
